import CoordinatorAPI
import Glibc
import Testing

@testable import tandem

@Suite("Idempotency keys, from outside")
struct IdempotencyTests {
    /// A pair whose first branch runs until it is let go.
    private static let waiting =
        #"{"branches":[{"participant":"users","statements":[{"sql":"\#(Testbed.waiting)"},"#
        + #"{"sql":"INSERT INTO users VALUES ('u1', 'x')"}]},{"participant":"orders","#
        + #""statements":[{"sql":"INSERT INTO orders VALUES ('o1', 'u1', 1)"}]}],"#
        + #""timeoutMilliseconds":60000}"#

    private static func post(
        _ client: LoopbackHTTP, _ body: String, key: String
    ) async throws -> Testbed.Answer {
        try Testbed.answer(await client.post("/v1/transactions", body, key: key))
    }

    private func expect(_ answer: Testbed.Answer, names id: String) {
        #expect(answer.body["transaction"]?.string == id)
        #expect(answer.body["instance"]?.string == "/v1/transactions/\(id)")
        #expect(answer.field("location") == "/v1/transactions/\(id)")
    }

    @Test("a key in progress or reused names the transaction that has it, on every replica")
    func namesItsTransaction() async throws {
        try await withReplicas { replicas in
            let one = replicas.one
            let running = Task { try await Self.post(one, Self.waiting, key: "k") }
            try await replicas.testbed.untilRunning("DO $$", in: "users")
            let id = try await replicas.newestID()
            for client in [replicas.one, replicas.two] {
                let repeated = try await Self.post(client, Self.waiting, key: "k")
                #expect(repeated.status == 409)
                #expect(repeated.type == "/problems/idempotency-key-in-progress")
                #expect(repeated.field("retry-after") == "1")
                expect(repeated, names: id)
                let other = try await Self.post(client, Testbed.pair("u9", "o9"), key: "k")
                #expect(other.status == 422)
                #expect(other.type == "/problems/idempotency-key-reused")
                expect(other, names: id)
                for answer in [repeated, other] {
                    #expect(answer.field("idempotency-replayed") == nil)
                }
            }
            try await replicas.testbed.go("users")
            let first = try await running.value
            #expect([201, 202].contains(first.status))
            #expect(first.body["id"]?.string == id)
            try await replicas.testbed.expectQuiet(users: 1, orders: 1)
            for client in [replicas.one, replicas.two] {
                let other = try await Self.post(client, Testbed.pair("u9", "o9"), key: "k")
                #expect(other.status == 422)
                expect(other, names: id)
            }
            try await replicas.testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("an answer that an earlier request was given is marked, on every replica")
    func marksReplays() async throws {
        let settings = ["transactions: { finishWaitMilliseconds: 5000 }"]
        try await withReplicas(settings: settings) { replicas in
            let testbed = replicas.testbed
            func expectReplays(_ body: String, _ key: String, of first: Testbed.Answer) async throws
            {
                for client in [replicas.one, replicas.two] {
                    let replay = try await Self.post(client, body, key: key)
                    #expect(replay.status == first.status)
                    #expect(replay.field("idempotency-replayed") == "true")
                    #expect(replay.field("location") == first.field("location"))
                    #expect(replay.body["id"] == first.body["id"])
                    #expect(replay.body["type"] == first.body["type"])
                }
            }
            let frozen = try await testbed.freezeFinishers(of: "users", replica: 1)
            let committing = try await testbed.post(Testbed.pair("u1", "o1"), key: "c")
            #expect(committing.status == 202)
            try await expectReplays(Testbed.pair("u1", "o1"), "c", of: committing)
            for pid in frozen { kill(pid, SIGCONT) }
            try await testbed.expectQuiet(users: 1, orders: 1)
            for client in [replicas.one, replicas.two] {
                let replay = try await Self.post(client, Testbed.pair("u1", "o1"), key: "c")
                #expect(replay.status == 201)
                #expect(replay.field("idempotency-replayed") == "true")
            }
            let aborted = try await testbed.post(Testbed.pair("u2", "o1"), key: "a")
            #expect(aborted.status == 409)
            try await expectReplays(Testbed.pair("u2", "o1"), "a", of: aborted)
            for first in [committing, aborted] {
                #expect(first.field("idempotency-replayed") == nil)
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("the same request in another spelling is the same; with another number it is not")
    func spelling() async throws {
        func body(_ amount: String) -> String {
            #"{"branches":[{"participant":"orders","statements":[{"sql":"INSERT INTO orders "#
                + #"VALUES ($1, $2, $3)","parameters":["o1","u/1",\#(amount)]}]}],"#
                + #""labels":{"a":"1","b":"2"}}"#
        }
        let respelt = """
            { "labels": { "b": "2", "\\u0061": "1" },
              "branches": [ { "statements": [ {
                "parameters": [ "o\\u0031", "u\\/1", 42.50 ],
                "sql": "INSERT INTO orders VALUES ($1, $2, $3)" } ], "participant": "orders" } ] }
            """
        try await withTestbed { testbed in
            #expect(try await testbed.commits(body("42.50"), key: "k"))
            let replay = try await testbed.post(respelt, key: "k")
            #expect(replay.status == 201)
            #expect(replay.field("idempotency-replayed") == "true")
            let other = try await testbed.post(body("42.5"), key: "k")
            #expect(other.status == 422)
            try await testbed.expectQuiet(users: 0, orders: 1)
        }
    }

    @Test("a key is found bare and as the header has it; what is neither is refused, not empty")
    func isFound() async throws {
        try await withTestbed { testbed in
            let plain = try await testbed.post(Testbed.pair("u1", "o1"), key: "k-1")
            let escaped = try await testbed.post(Testbed.pair("u2", "o2"), key: #"a \"b\\"#)
            for (text, posted) in [
                ("k-1", plain), ("%22k-1%22", plain), (#""k-1""#, plain), ("%6B%2D1", plain),
                ("%22a%20%5C%22b%5C%5C%22", escaped),
            ] {
                let found = try await testbed.get("/v1/transactions?idempotencyKey=\(text)")
                let id = try #require(posted.body["id"]?.string)
                #expect(found.body["transactions"]?[0]?["id"]?.string == id, "\(text)")
                #expect(found.body["transactions"]?[1] == nil)
            }
            for text in [
                "", "%22k-1", "k-1%22", "%22k-1%22;a=1", "%22k-1%22,%22b%22", "a%20%22b%5C",
                "k%C3%A9", "%22%22", String(repeating: "k", count: 256),
            ] {
                let refused = try await testbed.get("/v1/transactions?idempotencyKey=\(text)")
                #expect(refused.status == 400, "\(text)")
                #expect(refused.type == "/problems/invalid-request")
                #expect(refused.body["errors"]?[0]?["parameter"]?.string == "idempotencyKey")
            }
            try await testbed.expectQuiet(users: 2, orders: 2)
        }
    }
}
