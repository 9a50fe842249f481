import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("The journal: one branch and the decision commit together", .serialized)
struct JournalCommitTests {
    static let keys = ["users": "journal: true"]

    @Test("the first branch that writes there decides; the others are prepared before")
    func committed() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            let answer = try await testbed.post(Testbed.journalled("a"), key: "k")
            #expect(answer.status == 201)
            let branches = answer.body["branches"]
            #expect(branches?[0]?["commitMode"]?.string == "journal")
            #expect(branches?[0]?["vote"] == .null)
            #expect(branches?[1]?["vote"]?.string == "prepared")
            try await testbed.expectQuiet(users: 1, orders: 1)
            #expect(
                try await testbed.newest(
                    "journal_server IS NOT NULL, delegated, decision, decision_from")
                    == ["t", "f", "commit", "commitPoint"])
            let again = try await testbed.post(Testbed.journalled("a"), key: "k")
            #expect(again.text == answer.text)
            // Nobody writes in users: nothing for the journal there.
            let reader = try await testbed.post(
                Testbed.request([
                    Testbed.branch("users", "SELECT 1", readOnly: true),
                    Testbed.branch("orders", "INSERT INTO orders VALUES ('b', 'b', 1)"),
                ]))
            #expect(reader.body["branches"]?[1]?["commitMode"]?.string == "twoPhase")
            try await testbed.expectQuiet(users: 1, orders: 2)
        }
    }

    @Test("decisions leave the journal when nobody can ask for them any more")
    func trimmed() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            for name in ["a", "b", "c"] {
                #expect(try await testbed.post(Testbed.journalled(name)).status == 201)
            }
            #expect(try await testbed.post(Testbed.journalled("d", rows: 2)).status == 409)
            try await testbed.until("the journal is empty") { try await testbed.journal().isEmpty }
            try await testbed.expectQuiet(users: 3, orders: 3)
        }
    }

    @Test("a decision stays in the journal until its row is finished by it")
    func unfinishedStays() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            try await testbed.untilAvailable()
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let early = try await testbed.transaction(
                Testbed.journalled("a"), ["Prefer: return-at=decision"])
            #expect(early.status == 202)
            let numbers = "SELECT number FROM tandem_participant.decisions"
            let first = try #require(try await testbed.value("users", numbers))
            // Its branches have ended, so it leaves, and shows that the journal was looked through.
            let alone = Testbed.request([
                Testbed.branch("users", "INSERT INTO users VALUES ('b', 'x')")
            ])
            #expect(try await testbed.commits(alone))
            try await testbed.until("the second is finished, and has left") {
                try await testbed.journal().count < 2
            }
            #expect(try await testbed.value("users", numbers) == first)
            for pid in frozen { kill(pid, SIGCONT) }
            try await testbed.expectEnd("committed", of: first)
            try await testbed.expectQuiet(users: 2, orders: 1)
        }
    }

    @Test("an abort wins the journal's key before anything is rolled back")
    func aborted() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            let answer = try await testbed.post(Testbed.journalled("a", rows: 2))
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/unexpected-row-count")
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.newest("journal_server IS NOT NULL, decision, decision_from")
                    == ["t", "abort", "commitPoint"])
            try await testbed.expectNoOpenSession(in: "users")
            #expect(try await testbed.post(Testbed.journalled("a")).status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "a deferred constraint fails the work, before the local COMMIT: the others are rolled back")
    func deferredConstraint() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            _ = try await testbed.value("users", Testbed.deferredTable)
            let answer = try await testbed.post(
                Testbed.request([
                    Testbed.branch("users", Testbed.deferredFault),
                    Testbed.branch("orders", "INSERT INTO orders VALUES ('o', 'u', 1)"),
                ]))
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/deferred-constraint-failed")
            #expect(answer.body["branch"]?.integer == 0)
            #expect(try await testbed.value("users", "SELECT count(*) FROM singles") == "0")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("kill -9 before the local COMMIT: recovery's abort wins the key")
    func killedBeforeCommit() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            try await testbed.dies(at: "commitLocally.before.0", Testbed.journalled("a"), key: "k")
            #expect(try await testbed.value("orders", Testbed.preparedCount) == "1")
            try await testbed.nextIncarnation()
            try await testbed.expectEnd("aborted")
            #expect(try await testbed.newest("decision_from") == ["commitPoint"])
            try await testbed.expectQuiet(users: 0, orders: 0)
            let again = try await testbed.post(Testbed.journalled("a"), key: "k")
            #expect(again.status == 409)
        }
    }

    @Test("kill -9 after the local COMMIT: recovery finds it, and a key gets the same answer")
    func killedAfterCommit() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            try await testbed.dies(at: "commitLocally.after.0", Testbed.journalled("a"), key: "k")
            #expect(try await testbed.newest("decision") == [nil])
            #expect(try await testbed.journal() == ["commit"])
            #expect(try await testbed.value("orders", Testbed.preparedCount) == "1")
            try await testbed.nextIncarnation()
            try await testbed.expectEnd("committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
            let again = try await testbed.post(Testbed.journalled("a"), key: "k")
            #expect(again.status == 201)
            let rows = again.body["branches"]?[0]?["results"]?[0]?["rows"]
            #expect(rows?[0]?["id"]?.string == "a")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("kill -9 while another branch is being committed: the journal still says so")
    func killedWhileFinishing() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            try await testbed.dies(at: "commitPrepared.before.1", Testbed.journalled("a"))
            try await testbed.nextIncarnation()
            try await testbed.expectEnd("committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("an owner that was only paused wakes after the takeover: its session is gone")
    func pausedOwner() async throws {
        let keys = Self.keys.merging(Testbed.shortLease) { own, _ in own }
        try await withCommitModes(keys: keys) { testbed in
            try await testbed.expectPausedOwnerLoses(Testbed.journalled("a"))
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(
                try await testbed.newest("owner, decision, decision_from")
                    == ["replica-2", "abort", "commitPoint"])
        }
    }

    @Test("a row that a journal decides takes no decision but the journal's copy")
    func rowIsACopy() async throws {
        try await withCommitModes(keys: Self.keys) { testbed in
            try await testbed.dies(at: "commitLocally.after.0", Testbed.journalled("a"))
            let forged = try? await testbed.value(
                "state",
                "UPDATE tandem.transactions SET decision = 'abort', decided_at = now() RETURNING 1")
            #expect(forged == nil)
            let moved = try? await testbed.value(
                "state", "UPDATE tandem.transactions SET journal_server = '1 1' RETURNING 1")
            #expect(moved == nil)
            try await testbed.nextIncarnation()
            try await testbed.expectEnd("committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}

extension Testbed {
    static let preparedCount = "SELECT count(*) FROM pg_prepared_xacts"

    /// Waits until the newest transaction has ended so.
    func expectEnd(_ state: String) async throws {
        try await until("it is \(state)") { try await newest("state") == [state] }
    }

    /// Waits until the transaction of this number has ended so.
    func expectEnd(_ state: String, of number: String) async throws {
        try await until("\(number) is \(state)") {
            try await value(
                "state", "SELECT state FROM tandem.transactions WHERE number = \(number)") == state
        }
    }
}
