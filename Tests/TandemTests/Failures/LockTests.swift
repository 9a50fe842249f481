import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("Waits for locks, and deadlocks over several databases")
struct LockTests {
    /// PostgreSQL itself would let branches wait for ever.
    private static let patient = [
        "users": "lockTimeoutMilliseconds: 0", "orders": "lockTimeoutMilliseconds: 0",
    ]

    private static func update(_ id: String) -> String {
        #"{"sql":"UPDATE accounts SET balance = balance + 1 WHERE id = '\#(id)'","expectRows":1}"#
    }

    /// Locks a row of the first participant; then waits for the test, and for a row of the second.
    private static func crossing(_ first: String, _ second: String, retries: Int) -> String {
        #"{"execution":"inOrder","retries":\#(retries),"timeoutMilliseconds":60000,"branches":["#
            + #"{"participant":"\#(first)","statements":[\#(update("a"))]},"#
            + #"{"participant":"\#(second)","statements":[{"sql":"\#(Testbed.waiting)"},"#
            + #"\#(update("a"))]}]}"#
    }

    private func withAccounts(_ body: (Testbed) async throws -> Void) async throws {
        try await withCommitModes(keys: Self.patient) { testbed in
            try await testbed.untilAvailable()
            for name in Sandbox.participantNames {
                try await testbed.asStranger(name, ["INSERT INTO accounts VALUES ('a', 0)"])
            }
            try await body(testbed)
        }
    }

    /// The answers to two requests of which each holds a row that the other one needs.
    private func cross(_ testbed: Testbed, retries: Int) async throws -> [Testbed.Answer] {
        let client = testbed.client
        let requests = [("users", "orders"), ("orders", "users")].map { first, second in
            Task {
                try await client.post(
                    "/v1/transactions", Self.crossing(first, second, retries: retries),
                    key: "from-\(first)")
            }
        }
        for name in Sandbox.participantNames {
            try await testbed.untilRunning("DO", in: name)
        }
        for name in Sandbox.participantNames { try await testbed.go(name) }
        return [
            try Testbed.answer(await requests[0].value),
            try Testbed.answer(await requests[1].value),
        ]
    }

    @Test("of two transactions in a deadlock the younger runs again by itself, and both commit")
    func runsAgain() async throws {
        try await withAccounts { testbed in
            let answers = try await cross(testbed, retries: 1)
            #expect(answers.map(\.status) == [201, 201])
            for name in Sandbox.participantNames {
                let sum = "SELECT balance FROM accounts WHERE id = 'a'"
                #expect(try await testbed.value(name, sum) == "2")
            }
            let again = try #require(answers.first { $0.body["attempt"]?.integer == 2 })
            let other = try #require(answers.first { $0.body["attempt"]?.integer == 1 })
            #expect(other.body["retryOf"] == .null)
            let id = try #require(again.body["id"]?.string)
            let earlier = try #require(again.body["retryOf"]?.string)
            #expect(again.field("location") == "/v1/transactions/\(id)")

            let first = try await testbed.get("/v1/transactions/\(earlier)").body
            #expect(first["state"]?.string == "aborted")
            #expect(first["retriedAs"]?.string == id)
            let problem = first["problem"]
            #expect(problem?["type"]?.string == "/problems/deadlock")
            #expect(problem?["retryable"] == .bool(false))
            let detail = try #require(problem?["detail"]?.string)
            #expect(detail.hasSuffix("tandem ran the request again, as \(id)."))
            try expectCycle(problem, of: earlier, with: #require(other.body["id"]?.string))

            // The key belongs to the last run.
            let retried = try #require(answers.firstIndex { $0.body["attempt"]?.integer == 2 })
            let (begin, end) = retried == 0 ? ("users", "orders") : ("orders", "users")
            let repeated = try await testbed.post(
                Self.crossing(begin, end, retries: 1), key: "from-\(begin)")
            #expect(repeated.status == 201)
            #expect(repeated.body["id"]?.string == id)
            #expect(repeated.field("idempotency-replayed") == "true")
        }
    }

    private func expectCycle(_ problem: JSONValue?, of victim: String, with other: String) throws {
        guard case .array(let cycle)? = problem?["cycle"] else {
            Issue.record("expected a cycle")
            return
        }
        #expect(cycle.map { $0["waiter"]?["transaction"]?.string } == [victim, other])
        for (index, wait) in cycle.enumerated() {
            #expect(wait["relation"]?.string == "public.accounts")
            #expect(wait["row"]?.string?.hasPrefix("(0,") == true)
            #expect(wait["waiter"]?["branch"]?.integer == 1)
            #expect(wait["blockers"]?[0]?["transaction"]?.string == [other, victim][index])
            #expect(wait["blockers"]?[0]?["branch"]?.integer == 0)
            #expect(wait["blockers"]?[0]?["gid"]?.string?.contains([other, victim][index]) == true)
        }
    }

    @Test("without retries the younger is aborted with deadlock, and the other commits")
    func loses() async throws {
        try await withAccounts { testbed in
            let answers = try await cross(testbed, retries: 0)
            #expect(answers.map(\.status).sorted() == [201, 409])
            let lost = try #require(answers.first { $0.status == 409 })
            #expect(lost.type == "/problems/deadlock")
            #expect(lost.body["outcome"]?.string == "aborted")
            #expect(lost.body["retryable"] == .bool(true))
            #expect(lost.body["branch"]?.integer == 1)
            #expect(lost.body["statement"]?.integer == 1)
            let detail = try #require(lost.body["detail"]?.string)
            #expect(detail.contains("a cycle of 2 waits"))
            #expect(detail.hasSuffix("Try again with a new Idempotency-Key."))
            let other = try #require(answers.first { $0.status == 201 })
            try expectCycle(
                lost.body, of: #require(lost.body["transaction"]?.string),
                with: #require(other.body["id"]?.string))
            for name in Sandbox.participantNames {
                let sum = "SELECT balance FROM accounts WHERE id = 'a'"
                #expect(try await testbed.value(name, sum) == "1")
            }
        }
    }

    @Test("a wait shows in the status of the transaction and in the list of the participant")
    func shows() async throws {
        try await withAccounts { testbed in
            try await testbed.asStranger(
                "users",
                [
                    "BEGIN", "UPDATE accounts SET balance = 7 WHERE id = 'a'",
                    "PREPARE TRANSACTION 'somebody'",
                ])
            let client = testbed.client
            let body =
                #"{"timeoutMilliseconds":60000,"branches":[{"participant":"orders","statements":["#
                + #"{"sql":"SELECT 1"}]},{"participant":"users","statements":[\#(Self.update("a"))]}]}"#
            let request = Task { try await client.post("/v1/transactions", body) }
            let path = "/v1/participants/users/waits"
            try await testbed.until("it waits") {
                try await testbed.get(path).body["waits"]?[0] != nil
            }
            let wait = try await testbed.get(path).body["waits"]?[0]
            let id = try #require(wait?["waiter"]?["transaction"]?.string)
            #expect(wait?["participant"]?.string == "users")
            #expect(wait?["waiter"]?["branch"]?.integer == 1)
            #expect(wait?["relation"]?.string == "public.accounts")
            #expect(wait?["blockerCount"]?.integer == 1)
            #expect(wait?["blockers"]?[0]?["gid"]?.string == "somebody")
            #expect(wait?["blockers"]?[0]?["transaction"] == .null)
            let lines = try await client.send(
                "GET \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
            )
            let columns = lines.body.split(separator: "\t").map(String.init)
            #expect(columns.dropFirst() == ["\(id)/1", "public.accounts", "(0,1)", "somebody\n"])

            try await testbed.until("its status says so") {
                let branches = try await testbed.get("/v1/transactions/\(id)").body["branches"]
                return branches?[1]?["waitsFor"] != .null
            }
            let status = try await testbed.get("/v1/transactions/\(id)")
            #expect(status.body["branches"]?[0]?["waitsFor"] == .null)
            let waitsFor = status.body["branches"]?[1]?["waitsFor"]
            #expect(waitsFor?["since"] == wait?["since"])
            #expect(waitsFor?["relation"]?.string == "public.accounts")
            #expect(waitsFor?["blockers"]?[0]?["gid"]?.string == "somebody")
            // The condition of a rollback does not depend on the wait.
            let tag = try #require(status.field("etag"))
            #expect(tag.contains("-w"))
            let rolledBack = try await client.post(
                "/v1/transactions/\(id)/rollback", "", fields: ["If-Match: \(tag)"])
            #expect(rolledBack.status == 200)
            #expect(
                try Testbed.answer(await request.value).type == "/problems/rolled-back-by-request")
            try await testbed.asStranger("users", ["ROLLBACK PREPARED 'somebody'"])
            #expect(try await testbed.get(path).text == #"{"waits":[]}"#)
        }
    }

    @Test("waits of a participant that is unknown, or does not answer")
    func refuses() async throws {
        try await withAccounts { testbed in
            let unknown = try await testbed.get("/v1/participants/nobody/waits")
            #expect(unknown.status == 404)
            #expect(unknown.type == "/problems/not-found")
            #expect(try await testbed.get("/v1/participants/users/waits?x=1").status == 400)
            try await testbed.cluster("users").stop(.immediate)
            let silent = try await testbed.get("/v1/participants/users/waits")
            #expect(silent.status == 503)
            #expect(silent.type == "/problems/participant-unavailable")
            #expect(silent.body["participant"]?.string == "users")
            #expect(silent.body["outcome"] == nil)
        }
    }
}
