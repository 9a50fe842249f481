import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Journal transactions seen from elsewhere", .serialized)
struct JournalElsewhere {
    @Test("I5: every replica reports what the journal has decided, before the row has a copy")
    func reportedEverywhere() async throws {
        try await withReplicas(keys: Self.patient) { replicas in
            let testbed = replicas.testbed
            try await testbed.untilAvailable()
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let early = try await testbed.transaction(
                Testbed.journalled("a"),
                ["Prefer: return-at=decision", #"Idempotency-Key: "k""#])
            #expect(early.status == 202)
            #expect(early.body["branches"]?[0]?["commitMode"]?.string == "journal")
            let id = try #require(early.body["id"]?.string)
            #expect(try await testbed.newest("decision") == [nil], "the row has no copy yet")
            for client in [replicas.one, replicas.two] {
                let status = try Testbed.answer(await client.get("/v1/transactions/\(id)"))
                #expect(status.body["decision"]?.string == "commit")
                #expect(status.body["state"]?.string == "committing")
                let list = try Testbed.answer(await client.get("/v1/transactions"))
                #expect(list.body["transactions"]?[0]?["decision"]?.string == "commit")
                let again = try Testbed.answer(
                    await client.post("/v1/transactions", Testbed.journalled("a"), key: "k"))
                #expect(again.status == 202)
                #expect(again.body["id"]?.string == id)
            }

            // The owner dies, and its successor is asked while it finds out.
            await testbed.replica.kill()
            for pid in frozen {
                kill(pid, SIGTERM)
                kill(pid, SIGCONT)
            }
            try await testbed.until("the other replica commits it") {
                let status = try Testbed.answer(await replicas.two.get("/v1/transactions/\(id)"))
                guard status.status == 200 else {
                    #expect(status.status == 503)
                    return false
                }
                #expect(status.body["decision"]?.string == "commit")
                return status.body["state"]?.string == "committed"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("I5: while the journal does not answer, its decision is unknown, and not undecided")
    func silentJournal() async throws {
        try await withReplicas(keys: Self.patient) { replicas in
            let testbed = replicas.testbed
            try await testbed.untilAvailable()
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let early = try await testbed.transaction(
                Testbed.journalled("a"), ["Prefer: return-at=decision"])
            let id = try #require(early.body["id"]?.string)
            try await testbed.cluster("users").kill()
            let answer = try Testbed.answer(await replicas.two.get("/v1/transactions/\(id)"))
            #expect(answer.status == 503)
            #expect(answer.type == "/problems/outcome-unknown")
            #expect(answer.body["transaction"]?.string == id)
            let owner = try await testbed.get("/v1/transactions/\(id)")
            #expect(owner.body["decision"]?.string == "commit")
            for pid in frozen { kill(pid, SIGCONT) }
            try await testbed.cluster("users").restart()
            _ = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a rollback through another replica reaches the owner, who asks its journal")
    func rollBackElsewhere() async throws {
        // Time for the owner to hear of it and to ask its journal, on whatever machine.
        let settings = ["transactions: { finishWaitMilliseconds: 45000 }"]
        try await withReplicas(settings: settings, keys: Self.patient) { replicas in
            let testbed = replicas.testbed
            try await testbed.untilAvailable()
            let one = replicas.one
            let body =
                #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users "#
                + #"SELECT 'a', pg_sleep(600)::text"}]},{"participant":"orders","statements":["#
                + #"{"sql":"INSERT INTO orders VALUES ('a', 'a', 1)"}]}],"#
                + #""timeoutMilliseconds":60000}"#
            let request = Task {
                try Testbed.answer(await one.post("/v1/transactions", body))
            }
            try await replicas.untilRuns("pg_sleep(600)")
            let id = try await replicas.newestID()
            #expect(
                try await testbed.newest("journal_server IS NOT NULL") == ["t"],
                "the journal was found in order")
            let path = "/v1/transactions/\(id)/rollback"
            let answer = try await replicas.postJSON(replicas.two, path)
            #expect([200, 202].contains(answer.status), "\(answer.text)")
            let caller = try await request.value
            #expect(caller.status == 409)
            #expect(caller.type == "/problems/rolled-back-by-request")
            try await replicas.untilRuns("pg_sleep(600)", false)
            try await testbed.expectEnd("aborted")
            #expect(
                try await testbed.newest("decision_from, owner") == ["commitPoint", "replica-1"])
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("a note that a rollback was requested decides nothing, and a decided row takes none")
    func noteIsNoDecision() async throws {
        try await withReplicas(keys: Self.patient) { replicas in
            let testbed = replicas.testbed
            try await testbed.untilAvailable()
            let done = try await testbed.post(Testbed.journalled("a"))
            #expect([201, 202].contains(done.status))
            let id = try #require(done.body["id"]?.string)
            let late = try await replicas.postJSON(
                replicas.two, "/v1/transactions/\(id)/rollback")
            #expect(late.status == 409)
            try await testbed.expectEnd("committed")
            #expect(try await testbed.newest("rollback_requested, decision") == ["f", "commit"])
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "quarantine: a journal's undecided row is held, and its journal is not asked till release")
    func quarantined() async throws {
        try await withCommitModes(settings: ResolutionTests.quick, keys: JournalCommitTests.keys) {
            testbed in
            try await testbed.dies(at: "commitLocally.after.0", Testbed.journalled("a"))
            try await testbed.cluster("state").becomeStandby()
            try await testbed.cluster("state").promote()
            try await testbed.nextIncarnation()
            let id = try #require(
                try await testbed.newest("number || '-' || lpad(to_hex(salt), 16, '0')")[0])
            let status = try await testbed.get("/v1/transactions/\(id)")
            #expect(status.body["held"] == .bool(true))
            #expect(status.body["decision"] == .null)
            let refused = try await testbed.post("/v1/transactions/\(id)/rollback", "", fields: [])
            #expect(refused.status == 409)
            // What is accepted and ended now shows that passes over the rows have been made.
            #expect(
                try await testbed.commits(
                    ReplicaTestbed.body("INSERT INTO users VALUES ('b', 'x')")))
            #expect(try await testbed.value("orders", Testbed.preparedCount) == "1")
            #expect(
                try await testbed.value(
                    "state",
                    "SELECT decision IS NULL FROM tandem.transactions ORDER BY number LIMIT 1")
                    == "t")
            let looked = try await testbed.sandbox.runProgram(["release"])
            #expect(looked.output.contains("rows and decisions may be lost"))
            let release = try await testbed.sandbox.runProgram([
                "release", "--actor", "ada", "--reason", "nothing was lost",
            ])
            #expect(release.status == .exited(0))
            #expect(release.output == "Released.\n")
            _ = try await testbed.status(id, "the journal's commit is obeyed") {
                $0["state"]?.string == "committed"
            }
            #expect(
                try await testbed.value("state", "SELECT actor FROM tandem.resolutions") == "ada")
            try await testbed.expectQuiet(users: 2, orders: 1)
        }
    }

    /// As a machine that is slow to connect needs it, with the journal in `users`.
    static let patient = [
        "users": "connectTimeoutMilliseconds: 300000, journal: true",
        "orders": "connectTimeoutMilliseconds: 300000",
    ]
}
