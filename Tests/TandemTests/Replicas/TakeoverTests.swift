import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Leases, incarnations and takeover")
struct TakeoverTests {
    private static let short = ["replica": "heartbeatSeconds: 1, leaseSeconds: 3"]

    @Test(
        "a paused replica's incarnation is over when another took its work: it wakes, ends with 75, and leaves nothing"
    )
    func pausedBeyondTheLease() async throws {
        let settings = ["transactions: { recoveryIntervalMilliseconds: 200 }"]
        try await withReplicas(settings: settings, keys: Self.short) { replicas in
            let testbed = replicas.testbed
            let one = replicas.one
            let request = Task {
                try? await one.post(
                    "/v1/transactions",
                    ReplicaTestbed.body(
                        "INSERT INTO users SELECT 'a', pg_sleep(25)::text",
                        #","timeoutMilliseconds":60000"#))
            }
            try await replicas.untilRuns("pg_sleep(25)")
            _ = try await replicas.newestID()
            testbed.replica.process.send(SIGSTOP)
            try await testbed.until("the row is aborted and finished by the other") {
                try await testbed.value(
                    "state",
                    "SELECT owner || ' ' || state FROM tandem.transactions") == "replica-2 aborted"
            }
            // The work had not ended when the row was finished: the fence has ended it.
            try await replicas.untilRuns("pg_sleep(25)", false)
            testbed.replica.process.send(SIGCONT)
            #expect(await testbed.replica.process.exitStatus() == .exited(75))
            _ = await request.value
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.value(
                    "state", "SELECT ended FROM tandem.replicas WHERE name = 'replica-1'") == "t")
        }
    }

    @Test("AC5: any replica aborts an undecided row past its deadline, whichever replica owns it")
    func pastTheDeadline() async throws {
        let settings = [
            "transactions: { recoveryIntervalMilliseconds: 200 }"
        ]
        // The lease is not a short one: a busy machine may be late to renew it here.
        try await withReplicas(settings: settings) { replicas in
            let testbed = replicas.testbed
            // An owner that is alive and does nothing: its lease is renewed by us. Its deadline leaves a
            // busy machine the time to begin.
            let request = try await replicas.startEndless(timeoutMilliseconds: 15000)
            testbed.replica.process.send(SIGSTOP)
            try await testbed.until("the other replica aborts it") {
                _ = try await testbed.value(
                    "state",
                    "UPDATE tandem.replicas SET heartbeat_at = now() WHERE name = 'replica-1' "
                        + "RETURNING 1")
                return try await testbed.value(
                    "state", "SELECT owner || ' ' || decision FROM tandem.transactions")
                    == "replica-1 abort"
            }
            testbed.replica.process.send(SIGCONT)
            let answer = try await request.value
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/deadline-exceeded")
            try await replicas.untilRuns("pg_sleep(600)", false)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("an owner that obeys another's abort tells its caller the reason in the row")
    func reasonOfAnother() async throws {
        let settings = ["transactions: { recoveryIntervalMilliseconds: 200 }"]
        try await withReplicas(settings: settings) { replicas in
            let testbed = replicas.testbed
            let request = try await replicas.startEndless(timeoutMilliseconds: 60000)
            // Over for the database alone: the owner's own clock has most of a minute left.
            #expect(
                try await testbed.value(
                    "state",
                    "UPDATE tandem.transactions SET expires_at = now() - interval '1 hour' "
                        + "RETURNING 1") == "1")
            let answer = try await request.value
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/deadline-exceeded")
            try await replicas.untilRuns("pg_sleep(600)", false)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test(
        "I6: the state database's clock jumps by an hour, either way, and no incarnation ends by it"
    )
    func clockJumps() async throws {
        let settings = ["transactions: { recoveryIntervalMilliseconds: 50 }"]
        try await withReplicas(settings: settings, keys: Self.short) { replicas in
            let testbed = replicas.testbed
            for (round, jump) in ["-", "+", "-", "+"].enumerated() {
                // What was written before a jump forwards looks an hour old, and the reverse.
                _ = try await testbed.value(
                    "state",
                    "UPDATE tandem.replicas SET heartbeat_at = heartbeat_at \(jump) interval "
                        + "'1 hour', uninterrupted_since = uninterrupted_since \(jump) interval "
                        + "'1 hour' RETURNING 1")
                for (number, client) in [replicas.one, replicas.two].enumerated() {
                    let name = "\(round)-\(number)"
                    let answer = try await client.post(
                        "/v1/transactions", Testbed.pair("u\(name)", "o\(name)"))
                    #expect(answer.status == 201, "\(answer.body)")
                }
                try await testbed.until("both beat again") {
                    try await testbed.value(
                        "state",
                        "SELECT count(*) FROM tandem.replicas WHERE NOT ended AND "
                            + "heartbeat_at BETWEEN now() - interval '1 s' AND now()") == "2"
                }
            }
            try await testbed.expectQuiet(users: 8, orders: 8)
        }
    }

    @Test("a restarted replica of the same name takes its work over at once, not after the lease")
    func restartTakesOver() async throws {
        let long = ["replica": "leaseSeconds: 600"]
        try await withTestbed(keys: long) { testbed in
            let frozen = try await testbed.freezeFinishers(of: "users", replica: 1)
            let client = testbed.client
            let request = Task {
                try? await client.post("/v1/transactions", Testbed.pair("u1", "o1"))
            }
            try await testbed.until("the decision is durable") {
                try await testbed.value("state", "SELECT decision FROM tandem.transactions")
                    == "commit"
            }
            await testbed.replica.kill()
            for pid in frozen {
                kill(pid, SIGTERM)
                kill(pid, SIGCONT)
            }
            _ = await request.value
            try await testbed.sandbox.startReplica(1, port: client.port, isQuiet: true)
            try await testbed.until("the row is finished") {
                try await testbed.value(
                    "state", "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL")
                    == "0"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
            // The incarnation begins with its epoch; both clocks are this machine's.
            let seconds = try await testbed.value(
                "state",
                "SELECT extract(epoch FROM t.finished_at - r.started_at) "
                    + "FROM tandem.transactions AS t, tandem.replicas AS r WHERE t.epoch = 2")
            let healed = try #require(seconds.flatMap(Double.init))
            print("from the new incarnation's begin to the last commit: \(healed) s")
            // Well below the lease, which is long here: nobody waited for it to run out.
            #expect(healed < 300)
        }
    }
}
