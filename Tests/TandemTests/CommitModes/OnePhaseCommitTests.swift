import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("One phase: the only branch that writes decides by its own COMMIT", .serialized)
struct OnePhaseCommitTests {
    @Test("its COMMIT is the decision, and the row copies it")
    func committed() async throws {
        try await withCommitModes { testbed in
            let answer = try await testbed.post(Testbed.onePhase("u1"), key: "k")
            #expect(answer.status == 201)
            #expect(answer.body["branches"]?[0]?["commitMode"]?.string == "onePhase")
            #expect(answer.body["branches"]?[0]?["vote"] == .null)
            #expect(answer.body["branches"]?[0]?["outcome"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 0)
            #expect(
                try await testbed.newest("delegated, decision, decision_from")
                    == ["t", "commit", "commitPoint"])
            let again = try await testbed.post(Testbed.onePhase("u1"), key: "k")
            #expect(again.text == answer.text)
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("it needs no slot for prepared transactions")
    func withoutSlots() async throws {
        try await withCommitModes(keys: ["users": "preparedSlots: 1"]) { testbed in
            let write = Testbed.branch("users", "INSERT INTO users VALUES ('u1', 'x')")
            let two = try await testbed.post(
                Testbed.request([write, Testbed.branch("users", "SELECT 1")]))
            #expect(two.type == "/problems/participant-slots-exhausted")
            let one = try await testbed.post(
                Testbed.request(
                    [write, Testbed.branch("users", "SELECT 1", readOnly: true)], onePhase: true))
            #expect(one.status == 201)
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("an abort leaves nothing; two writers are refused before anything")
    func aborted() async throws {
        try await withCommitModes { testbed in
            let answer = try await testbed.post(Testbed.onePhase("u1", orders: 5))
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/unexpected-row-count")
            let two = try await testbed.post(
                Testbed.request(
                    [
                        Testbed.branch("users", "INSERT INTO users VALUES ('u', 'x')"),
                        Testbed.branch("orders", "INSERT INTO orders VALUES ('o', 'u', 1)"),
                    ], onePhase: true))
            #expect(two.status == 422)
            #expect(two.type == "/problems/one-phase-not-possible")
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.newest("delegated, decision, decision_from")
                    == ["f", "abort", nil])
            try await testbed.expectNoOpenSession(in: "users")
        }
    }

    @Test(
        "a deferred constraint fails before anybody relies on the COMMIT, and the caller hears of it"
    )
    func deferredConstraint() async throws {
        try await withCommitModes { testbed in
            _ = try await testbed.value("users", Testbed.deferredTable)
            let answer = try await testbed.post(
                Testbed.request([Testbed.branch("users", Testbed.deferredFault)], onePhase: true))
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/deferred-constraint-failed")
            #expect(answer.body["sqlstate"]?.string == "23505")
            #expect(try await testbed.value("users", "SELECT count(*) FROM singles") == "0")
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.newest("delegated, decision, decision_from")
                    == ["f", "abort", nil])
        }
    }

    @Test("a COMMIT that PostgreSQL refuses is an abort, and the caller gets the reason")
    func refusedCommit() async throws {
        try await withCommitModes { testbed in
            try await testbed.asStranger("users", ["CREATE TABLE notes (note text)"])
            let stopped = try await testbed.restarted(failing: "delegate.after=stop")
            let client = stopped.client
            let work = Testbed.branch("users", "INSERT INTO notes SELECT count(*) FROM users")
            let body =
                #"{"onePhase":true,"retries":0,"isolation":"serializable","#
                + #""branches":[\#(work)]}"#
            let request = Task { try await client.post("/v1/transactions", body) }
            try await stopped.untilStopped()
            // Each has read what the other writes, and this one commits first.
            try await testbed.asStranger(
                "users",
                [
                    "BEGIN ISOLATION LEVEL SERIALIZABLE",
                    "INSERT INTO users SELECT 'w', count(*) FROM notes", "COMMIT",
                ])
            stopped.replica.process.send(SIGCONT)
            let answer = try Testbed.answer(try await request.value)
            #expect(answer.status == 409)
            #expect(answer.body["sqlstate"]?.string == "40001")
            #expect(try await testbed.value("users", "SELECT count(*) FROM notes") == "0")
            try await testbed.expectQuiet(users: 1, orders: 0)
            #expect(
                try await testbed.newest("decision, decision_from") == ["abort", "commitPoint"])
        }
    }

    @Test("what a local COMMIT leaves in the session does not reach the next branch there")
    func remains() async throws {
        try await withCommitModes(keys: ["users": "poolSize: 1"]) { testbed in
            let temporary = Testbed.request(
                [Testbed.branch("users", "CREATE TEMPORARY TABLE left_behind (n int)")],
                onePhase: true)
            for _ in 0..<2 {
                #expect(try await testbed.post(temporary).status == 201)
            }
            let look = try await testbed.run("SELECT to_regclass('left_behind') AS found")
            let rows = look.body["branches"]?[0]?["results"]?[0]?["rows"]
            #expect(rows?[0]?["found"] == .null)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("kill -9 before the row names the branch's transaction: it aborts")
    func killedBeforeDelegation() async throws {
        try await withCommitModes { testbed in
            try await testbed.dies(at: "delegate.before", Testbed.onePhase("u1"))
            try await testbed.nextIncarnation()
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(try await testbed.newest("delegated, decision") == ["f", "abort"])
        }
    }

    @Test("kill -9 between that and the COMMIT: PostgreSQL says aborted, and so does the row")
    func killedBeforeCommit() async throws {
        try await withCommitModes { testbed in
            try await testbed.dies(at: "delegate.after", Testbed.onePhase("u1"))
            try await testbed.nextIncarnation()
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.newest("delegated, decision, decision_from")
                    == ["t", "abort", "commitPoint"])
        }
    }

    @Test(
        "kill -9 after the COMMIT: the next incarnation finds it committed, and a key gets its answer"
    )
    func killedAfterCommit() async throws {
        try await withCommitModes { testbed in
            try await testbed.dies(at: "commitLocally.after.0", Testbed.onePhase("u1"), key: "k")
            #expect(try await testbed.newest("decision") == [nil])
            try await testbed.nextIncarnation()
            try await testbed.expectQuiet(users: 1, orders: 0)
            #expect(
                try await testbed.newest("state, decision, decision_from")
                    == ["committed", "commit", "commitPoint"])
            let again = try await testbed.post(Testbed.onePhase("u1"), key: "k")
            #expect(again.status == 201)
            let rows = again.body["branches"]?[0]?["results"]?[0]?["rows"]
            #expect(rows?[0]?["id"]?.string == "u1")
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("the participant dies in the COMMIT: tandem asks how it ended, and never sends it again")
    func participantDiesInCommit() async throws {
        let settings = ["transactions: { finishWaitMilliseconds: 1000 }"]
        try await withCommitModes(settings: settings) { testbed in
            let stopped = try await testbed.restarted(failing: "delegate.after=stop")
            let client = stopped.client
            let request = Task { try await client.post("/v1/transactions", Testbed.onePhase("u1")) }
            try await stopped.untilStopped()
            let users = try testbed.cluster("users")
            try await users.requireMissingStandby()
            stopped.replica.process.send(SIGCONT)
            try await testbed.until("the COMMIT waits") { try await testbed.waiters == "1" }
            // For the next start: this server goes on waiting.
            _ = try await users.psql("ALTER SYSTEM RESET synchronous_standby_names")
            await users.kill()
            try await users.restart()
            let answer = try await request.value
            #expect([201, 503].contains(answer.status))
            try await testbed.until("it is known to be committed") {
                try await testbed.newest("state") == ["committed"]
            }
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("an owner that was only paused wakes after the takeover: its session is gone")
    func pausedOwner() async throws {
        try await withCommitModes(keys: Testbed.shortLease) { testbed in
            try await testbed.expectPausedOwnerLoses(Testbed.onePhase("u1"))
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.newest("owner, decision, decision_from")
                    == ["replica-2", "abort", "commitPoint"])
        }
    }
}

extension Testbed {
    /// How many sessions in `users` wait for a standby.
    fileprivate var waiters: String? {
        get async throws {
            try await value(
                "users", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        }
    }

    static let deferredTable =
        "CREATE TABLE singles (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
    static let deferredFault = "INSERT INTO singles VALUES (1), (1)"
    static let shortLease = ["replica": "heartbeatSeconds: 1, leaseSeconds: 3"]

    /// Waits until the replica's process stands still.
    func untilStopped() async throws {
        try await until("the replica stops") {
            let status = try String(
                contentsOfFile: "/proc/\(replica.process.processID)/stat", encoding: .utf8)
            return status.split(separator: ")").last?.split(separator: " ").first == "T"
        }
    }

    /// The first replica stops right before the commit point's COMMIT, and goes on after the second has
    /// taken over.
    func expectPausedOwnerLoses(_ body: String) async throws {
        let stopped = try await restarted(failing: "commitLocally.before.0=stop")
        let client = client
        let request = Task { try? await client.post("/v1/transactions", body) }
        try await stopped.untilStopped()
        _ = try await sandbox.startReplica(2, isQuiet: true)
        try await until("the second replica decides") {
            try await newest("decision, finished_at IS NOT NULL") == ["abort", "t"]
        }
        stopped.replica.process.send(SIGCONT)
        #expect(await stopped.replica.process.exitStatus() == .exited(75))
        _ = await request.value
    }
}
