import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Traps of PostgreSQL, each with the databases afterwards", .serialized)
struct TrapTests {
    /// Ends what waits for the standby; `pg_cancel_backend` makes a success with a warning of it.
    private static func interrupt(
        _ testbed: Testbed, _ name: String, with function: String
    ) async throws -> Int {
        let count = try await testbed.value(
            name,
            "SELECT count(\(function)(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        return count.flatMap { Int($0) } ?? 0
    }

    @Test("a PREPARE whose wait for the standby was cancelled is no yes vote")
    func cancelledPrepare() async throws {
        try await withTestbed { testbed in
            try await testbed.cluster("users").requireMissingStandby()
            let client = testbed.client
            let request = Task {
                try Testbed.answer(
                    await client.post("/v1/transactions", Testbed.pair("u1", "o1")))
            }
            try await testbed.until("the wait is cancelled") {
                try await Self.interrupt(testbed, "users", with: "pg_cancel_backend") > 0
            }
            try await testbed.cluster("users").requireNoStandby()
            // What was waiting before the setting changed goes on waiting in PostgreSQL 15.
            try await testbed.until("nothing is prepared any more") {
                _ = try await Self.interrupt(testbed, "users", with: "pg_cancel_backend")
                return try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts")
                    == "0"
            }
            #expect(try await request.value.status == 409)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test(
        "a decision whose wait was cancelled is not acted on before a write of one's own succeeds")
    func cancelledDecision() async throws {
        try await withTestbed(settings: ["transactions: { finishWaitMilliseconds: 1000 }"]) {
            testbed in
            let client = testbed.client
            let request = Task {
                try Testbed.answer(
                    await client.post(
                        "/v1/transactions",
                        ReplicaTestbed.body("INSERT INTO users SELECT 'a', pg_sleep(3)::text")))
            }
            try await testbed.until("the row is accepted") {
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "1"
            }
            try await testbed.cluster("state").requireMissingStandby()
            try await testbed.until("it is prepared") {
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "1"
            }
            try await testbed.until("the decision is visible, its wait cancelled") {
                _ = try await Self.interrupt(testbed, "state", with: "pg_cancel_backend")
                return try await testbed.value("state", "SELECT decision FROM tandem.transactions")
                    == "commit"
            }
            let answer = try await request.value
            #expect(answer.status == 503)
            #expect(answer.type == "/problems/outcome-unknown")
            #expect(try await testbed.value("users", "SELECT count(*) FROM users") == "0")
            #expect(
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "1")
            try await testbed.cluster("state").requireNoStandby()
            try await testbed.until("it is committed") {
                _ = try await Self.interrupt(testbed, "state", with: "pg_cancel_backend")
                return try await testbed.value("users", "SELECT count(*) FROM users") == "1"
            }
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("57P01 inside COMMIT PREPARED, which has committed: proved by evidence, never hidden")
    func killedInsideCommitPrepared() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            try await testbed.cluster("orders").requireMissingStandby()
            try await testbed.startAgain()
            try await testbed.until("the session is ended inside COMMIT PREPARED") {
                try await Self.interrupt(testbed, "orders", with: "pg_terminate_backend") > 0
            }
            try await testbed.cluster("orders").requireNoStandby()
            let status = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            #expect(status["branches"]?[1]?["outcome"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "late PREPARE: a busy gid (55000), its session still waiting, is fenced and then rolled back"
    )
    func latePrepare() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            try await testbed.cluster("users").requireMissingStandby()
            let client = testbed.client
            let request = Task {
                try? await client.post("/v1/transactions", Testbed.pair("u1", "o1"))
            }
            try await testbed.until("the PREPARE waits, its row is there") {
                let waiting = try await testbed.value(
                    "users",
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
                let rows = try await testbed.value(
                    "state", "SELECT count(*) FROM tandem.transactions")
                return waiting == "1" && rows == "1"
            }
            await testbed.replica.kill()
            _ = await request.value
            try await testbed.cluster("users").requireNoStandby()
            try await testbed.startAgain()
            try await testbed.until("the row is finished") {
                try await testbed.value("state", "SELECT state FROM tandem.transactions")
                    == "aborted"
            }
            // I4: finished means that neither gid nor session is left.
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.value(
                    "users",
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "0")
        }
    }

    @Test(
        "1,000 foreign gids, squatted ones and a logless program's never stall the scan and are never touched"
    )
    func foreignAndSquatted() async throws {
        try await withTestbed(
            settings: ResolutionTests.quick,
            servers: ["users": ["max_prepared_transactions": "1100"]]
        ) { testbed in
            let installation = try #require(
                try await testbed.value("state", "SELECT id FROM tandem.installation"))
            var script = "CREATE ROLE stranger SUPERUSER LOGIN;\nCREATE DATABASE other;\n"
            for number in 0..<1000 {
                script += "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'f:\(number)';\n"
            }
            for name in ["x:0", "0-00000000000000ab:0", "7-00000000000000AB:0", "7-ab:0", "7"] {
                script +=
                    "BEGIN; SELECT pg_current_xact_id(); "
                    + "PREPARE TRANSACTION 'tandem:\(installation):\(name)';\n"
            }
            script +=
                "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION "
                + "'tandem-library:\(installation):7-00000000000000ab:0.2';\n"
            let users = try testbed.cluster("users")
            _ = try await users.psql(script)
            func takeName(_ number: Int) -> String {
                "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION "
                    + "'tandem:\(installation):\(number)-00000000000000ab:0'"
            }
            _ = try await users.psql(takeName(900_001), user: "stranger")
            _ = try await users.psql(takeName(900_002), database: "other")
            _ = try await users.psql(takeName(900_003))
            try await testbed.until("the one orphan of ours is rolled back") {
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "1008"
            }
            #expect(
                try await testbed.value(
                    "users",
                    "SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE '%:900003-%'") == "0")
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
        }
    }

    @Test("a dead participant delays neither the branches of another nor healthy transactions")
    func deadParticipant() async throws {
        try await withTestbed(settings: ["transactions: { finishWaitMilliseconds: 1000 }"]) {
            testbed in
            func median(_ letter: String) async throws -> (p50: Double, p99: Double) {
                var times: [Double] = []
                for number in 0..<100 {
                    let start = ContinuousClock.now
                    let answer = try await testbed.run(
                        "INSERT INTO users VALUES ('\(letter)\(number)', 'x')")
                    // 202 is an answer that found a busy machine; the rows are counted below.
                    #expect([201, 202].contains(answer.status))
                    let time = ContinuousClock.now - start
                    times.append(Double(time.components.attoseconds) / 1e15)
                }
                times.sort()
                return (times[50], times[99])
            }
            try await testbed.untilAvailable()
            let before = try await median("a")
            let frozen = try await testbed.freezeFinishers(of: "orders", replica: 1)
            for number in 0..<8 {
                let answer = try await testbed.post(Testbed.pair("p\(number)", "o\(number)"))
                #expect(answer.status == 202)
            }
            await (try testbed.cluster("orders")).kill()
            for pid in frozen { kill(pid, SIGKILL) }
            try await testbed.until("the circuit is open") {
                let circuit = try await testbed.get("/v1/participants/orders").body[
                    "circuitBreaker"]
                return circuit?.string != "closed"
            }
            try await testbed.until("users has every row") {
                try await testbed.value("users", "SELECT count(*) FROM users") == "108"
            }
            let during = try await median("b")
            print("users alone, ms: before \(before), with orders dead \(during)")
            try await testbed.cluster("orders").restart()
            try await testbed.until("every branch is committed") {
                try await testbed.value("orders", "SELECT count(*) FROM orders") == "8"
            }
            try await testbed.until("the rows are finished") {
                try await testbed.value(
                    "state",
                    "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL") == "0"
            }
            try await testbed.expectQuiet(users: 208, orders: 8)
        }
    }
}
