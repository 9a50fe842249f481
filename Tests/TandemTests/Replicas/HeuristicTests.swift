import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("AC1: every answer shows a branch that was ended by hand", .serialized)
struct HeuristicTests {
    /// A user; then work that goes on until it is let go, and fails.
    static func failing(_ more: String = "") -> String {
        let wait = Testbed.waiting.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return
            #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users VALUES "#
            + #"('u1','x')"}]}\#(more),{"participant":"orders","statements":[{"sql":"\#(wait)"},"#
            + #"{"sql":"SELECT 1 / 0"}]}]}"#
    }

    static func send(
        _ body: String, _ client: LoopbackHTTP
    ) -> Task<Testbed.Answer, any Error> {
        Task { try Testbed.answer(await client.post("/v1/transactions", body, key: "k")) }
    }

    static func gid(in name: String, _ testbed: Testbed) async throws -> String {
        var gid: String?
        try await testbed.until("the branch in \(name) is prepared") {
            gid =
                try await Sandbox.rows(
                    testbed.cluster(name), "SELECT gid FROM pg_prepared_xacts"
                ).first?.first ?? nil
            return gid != nil
        }
        return try #require(gid)
    }

    /// Expects the answer of a POST, or of a rollback, to what was ended by hand.
    static func expectOperator(_ answer: Testbed.Answer, _ outcome: String) {
        #expect(answer.status == 409, "\(answer.text)")
        #expect(answer.type == "/problems/needs-operator", "\(answer.text)")
        #expect(answer.body["outcome"]?.string == "needsOperator")
        #expect(answer.body["retryable"] == .bool(false))
        #expect(answer.body["branch"]?.integer == 0)
        #expect(answer.body["participant"]?.string == "users")
        #expect(answer.body["detail"]?.string?.contains(outcome) == true)
    }

    /// What `readyz?verbose` says of operators' work; nil if there is none.
    static func queue(_ client: LoopbackHTTP) async throws -> String? {
        let answer = try Testbed.answer(await client.get("/readyz?verbose"))
        #expect(answer.status == 200)
        guard case .array(let checks)? = answer.body["checks"] else { return "no checks" }
        let check = checks.first { $0["name"]?.string == "needs-operator" }
        #expect(check != nil)
        return check?["status"]?.string == "ok" ? nil : check?["detail"]?.string
    }

    @Test("committed by hand before an abort: no answer, replay, rollback or log calls it aborted")
    func committedByHand() async throws {
        try await withReplicas(settings: ResolutionTests.quick) { two in
            let testbed = two.testbed
            let request = Self.send(Self.failing(), testbed.client)
            let gid = try await Self.gid(in: "users", testbed)
            try await testbed.untilRunning("DO", in: "orders")
            #expect(try await Self.queue(two.two) == nil)
            _ = try await testbed.cluster("users").psql("COMMIT PREPARED '\(gid)'")
            try await testbed.go("orders")
            let answer = try await request.value
            Self.expectOperator(answer, "heuristicCommit")
            #expect(answer.body["detail"]?.string?.contains("division by zero") == true)
            let id = try #require(answer.body["transaction"]?.string)
            #expect(answer.field("location") == "/v1/transactions/\(id)")
            // The next incarnation of the replica, and the other replica, know it by the row alone.
            for isLater in [false, true] {
                if isLater {
                    await testbed.replica.kill()
                    try await testbed.sandbox.startReplica(
                        1, port: testbed.client.port, isQuiet: true)
                }
                for client in [two.one, two.two] {
                    let again = try Testbed.answer(
                        await client.post("/v1/transactions", Self.failing(), key: "k"))
                    Self.expectOperator(again, "heuristicCommit")
                    let back = try await two.postJSON(client, "/v1/transactions/\(id)/rollback")
                    Self.expectOperator(back, "heuristicCommit")
                    let status = try Testbed.answer(await client.get("/v1/transactions/\(id)"))
                    #expect(status.body["state"]?.string == "needsOperator")
                    #expect(status.body["problem"]?["outcome"]?.string == "needsOperator")
                    #expect(status.body["problem"]?["sqlstate"]?.string == "22012")
                    let list = try Testbed.answer(
                        await client.get("/v1/transactions?state=needsOperator"))
                    #expect(list.body["transactions"]?[0]?["id"]?.string == id)
                    #expect(try await Self.queue(client)?.contains(id) == true)
                }
            }
            try Self.expectLogged(testbed, id, gid)
            try await Self.expectProofStands(testbed, id)
        }
    }

    /// One error, with all that is known.
    static func expectLogged(_ testbed: Testbed, _ id: String, _ gid: String) throws {
        let log = testbed.log(of: 1).split(separator: "\n").filter {
            $0.contains("heuristicCommit")
        }
        #expect(log.count == 1, "\(log)")
        let line = log.first ?? ""
        for word in [
            "error", id, gid, "branch=0", "participant=users", "decision=abort",
            "system identifier", "role postgres", "noticedBy=replica-1",
        ] {
            #expect(line.contains(word), "\(word): \(line)")
        }
    }

    /// It is proved to be committed, under an abort: either word contradicts something.
    ///
    /// One that confirms it ends the wait for an operator, and hides nothing.
    static func expectProofStands(_ testbed: Testbed, _ id: String) async throws {
        let path = "/v1/transactions/\(id)/resolution"
        let tag = "If-Match: " + (try await testbed.entityTag(id))
        for outcome in ["committed", "rolledBack"] {
            let refused = try await Testbed.answer(
                testbed.post(path, ResolutionTests.body(0, outcome), fields: [tag]))
            #expect(refused.status == 409)
            #expect(refused.type == "/problems/conflict")
        }
        let forced = try await Testbed.answer(
            testbed.post(path, ResolutionTests.body(0, "committed", force: true), fields: [tag]))
        #expect(forced.status == 200)
        #expect(forced.body["state"]?.string == "needsOperator")
        #expect(try await queue(testbed.client) == nil)
        expectOperator(try await testbed.post(Self.failing(), key: "k"), "heuristicCommit")
        #expect(try await testbed.value("users", "SELECT count(*) FROM users") == "1")
        // Another word, after the data was put right by hand: now it is aborted for everybody.
        let last = "If-Match: " + (try await testbed.entityTag(id))
        let right = try await Testbed.answer(
            testbed.post(path, ResolutionTests.body(0, "rolledBack", force: true), fields: [last]))
        #expect(right.body["state"]?.string == "aborted")
        let replay = try await testbed.post(Self.failing(), key: "k")
        #expect(replay.status == 409)
        #expect(replay.type == "/problems/statement-failed")
        #expect(replay.body["outcome"]?.string == "aborted")
    }

    @Test("every replica reports it while another branch cannot be finished yet")
    func beforeTheOthersEnd() async throws {
        try await withReplicas(settings: ResolutionTests.quick) { two in
            let testbed = two.testbed
            try await testbed.untilAvailable()
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let second =
                #",{"participant":"orders","statements":[{"sql":"INSERT INTO users VALUES ('u2','x')"}]}"#
            let request = Self.send(Self.failing(second), testbed.client)
            let gid = try await Self.gid(in: "users", testbed)
            _ = try await Self.gid(in: "orders", testbed)
            try await testbed.untilRunning("DO", in: "orders")
            _ = try await testbed.cluster("users").psql("COMMIT PREPARED '\(gid)'")
            try await testbed.go("orders")
            let answer = try await request.value
            Self.expectOperator(answer, "heuristicCommit")
            let id = try #require(answer.body["transaction"]?.string)
            for client in [two.two, two.one] {
                let again = try Testbed.answer(
                    await client.post("/v1/transactions", Self.failing(second), key: "k"))
                Self.expectOperator(again, "heuristicCommit")
                let status = try Testbed.answer(
                    await client.get("/v1/transactions/\(id)?waitSeconds=60"))
                #expect(status.body["state"]?.string == "needsOperator")
                #expect(status.body["finishedAt"] == .null)
                #expect(try await Self.queue(client)?.contains(id) == true)
            }
            for pid in frozen { kill(pid, SIGCONT) }
            let status = try await testbed.status(id, "the others have ended") {
                $0["finishedAt"]?.string != nil
            }
            #expect(status["state"]?.string == "needsOperator")
            #expect(status["branches"]?[0]?["outcome"]?.string == "heuristicCommit")
            #expect(status["branches"]?[1]?["outcome"]?.string == "rolledBack")
            #expect(try await testbed.value("orders", "SELECT count(*) FROM users") == "0")
        }
    }

    @Test("rolled back by hand under a commit: 409, and resolved as committed by force alone")
    func rolledBackByHand() async throws {
        let patient = ["transactions: { finishWaitMilliseconds: 60000 }"]
        try await withTestbed(settings: patient) { testbed in
            try await testbed.untilAvailable()
            let frozen = try await testbed.freezeFinishers(of: "users")
            let body = Testbed.pair("u1", "o1")
            let request = Self.send(body, testbed.client)
            try await testbed.until("the decision is durable") {
                try await testbed.value("state", "SELECT decision FROM tandem.transactions")
                    == "commit"
            }
            let gid = try await Self.gid(in: "users", testbed)
            _ = try await testbed.cluster("users").psql("ROLLBACK PREPARED '\(gid)'")
            for pid in frozen { kill(pid, SIGCONT) }
            let answer = try await request.value
            Self.expectOperator(answer, "heuristicRollback")
            Self.expectOperator(try await testbed.post(body, key: "k"), "heuristicRollback")
            let id = try #require(answer.body["transaction"]?.string)
            let path = "/v1/transactions/\(id)/resolution"
            let tag = "If-Match: " + (try await testbed.entityTag(id))
            let word = ResolutionTests.body(0, "committed")
            let refused = try await Testbed.answer(testbed.post(path, word, fields: [tag]))
            #expect(refused.status == 409)
            #expect(refused.body["detail"]?.string?.contains("proved") == true)
            let forced = ResolutionTests.body(0, "committed", force: true)
            #expect(try await testbed.post(path, forced, fields: [tag]).status == 200)
            #expect(try await Self.queue(testbed.client) == nil)
            #expect(try await testbed.post(body, key: "k").status == 201)
        }
    }
}

extension Testbed {
    /// What a replica has logged.
    func log(of replica: Int) -> String {
        let path = sandbox.configurationFile(of: replica).replacing(".yaml", with: ".log")
        let text = FileManager.default.contents(atPath: path)
        return text.map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
