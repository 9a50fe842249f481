import CoordinatorAPI
import Foundation
import PostgresClusters
import Testing

@testable import tandem

@Suite("Commit and abort over HTTP")
struct CommitTests {
    @Test("both or neither; rows, counts and status come back")
    func bothOrNeither() async throws {
        try await withTestbed { testbed in
            let first = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(first.status == 201)
            let id = try #require(first.body["id"]?.string)
            #expect(first.body["branches"]?[0]?["results"]?[0]?["rowCount"]?.integer == 1)
            let status = try await testbed.get("/v1/transactions/\(id)?waitSeconds=5")
            #expect(status.text == first.text)
            let second = try await testbed.post(Testbed.pair("u2", "o1"))
            #expect(second.status == 409)
            #expect(second.type == "/problems/statement-failed")
            #expect(second.body["sqlstate"]?.string == "23505")
            #expect(second.body["branch"]?.integer == 1)
            try await testbed.expectQuiet(users: 1, orders: 1)
            let list = try await testbed.get("/v1/transactions?state=aborted")
            #expect(list.body["transactions"]?[0]?["state"]?.string == "aborted")
            #expect(list.body["transactions"]?[1] == nil)
            let decisions = try await testbed.value(
                "state",
                "SELECT string_agg(decision, ',' ORDER BY number) FROM tandem.transactions")
            #expect(decisions == "commit,abort")
        }
    }

    @Test("a key is executed once, and answered the same for ever")
    func idempotency() async throws {
        try await withTestbed { testbed in
            let body = Testbed.pair("u1", "o1")
            let client = testbed.client
            async let one = client.post("/v1/transactions", body, key: "k")
            async let two = client.post("/v1/transactions", body, key: "k")
            async let three = client.post("/v1/transactions", body, key: "k")
            for answer in try await [one, two, three] {
                #expect([201, 409].contains(answer.status))
            }
            let replay = try await testbed.post(body, key: "k")
            let again = try await testbed.post(body, key: "k")
            #expect(replay.status == 201)
            #expect(replay.text == again.text)
            let other = try await testbed.post(Testbed.pair("u9", "o9"), key: "k")
            #expect(other.status == 422)
            #expect(other.type == "/problems/idempotency-key-reused")
            try await testbed.expectQuiet(users: 1, orders: 1)
            let found = try await testbed.get("/v1/transactions?idempotencyKey=k")
            #expect(found.body["transactions"]?[0]?["id"] == replay.body["id"])
        }
    }

    @Test("numbers keep their text both ways")
    func exactNumbers() async throws {
        try await withTestbed { testbed in
            let answer = try await testbed.run(
                "SELECT $1::int8 AS a, $2::numeric AS b, 'x' AS c, NULL AS d, true AS e",
                "[9007199254740993, 0.123456789012345678901234567891]")
            #expect(answer.status == 201)
            #expect(answer.text.contains(#""a":9007199254740993"#))
            #expect(answer.text.contains(#""b":0.123456789012345678901234567891"#))
            #expect(answer.text.contains(#""d":null,"e":true"#))
        }
    }

    @Test("the decision is written once, by trigger")
    func decisionIsWrittenOnce() async throws {
        try await withTestbed { testbed in
            #expect(try await testbed.post(Testbed.pair("u1", "o1")).status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
            await #expect(throws: (any Error).self) {
                _ = try await testbed.value(
                    "state", "UPDATE tandem.transactions SET decision = 'abort' RETURNING 1")
            }
            #expect(
                try await testbed.value("state", "SELECT decision FROM tandem.transactions")
                    == "commit")
        }
    }
}

extension CommitTests {
    @Test("a key that two replicas get at once is executed once, and no session is lost by it")
    func oneKeyTwoReplicas() async throws {
        try await withTestbed { testbed in
            let other = try await testbed.sandbox.startReplica(2, isQuiet: true)
            let clients = [testbed.client, LoopbackHTTP(port: other.port)]
            for round in 0..<10 {
                let body = Testbed.pair("u\(round)", "o\(round)")
                let (one, two) = (clients[0], clients[1])
                async let first = one.post("/v1/transactions", body, key: "k\(round)")
                async let second = two.post("/v1/transactions", body, key: "k\(round)")
                let answers = try await [first, second]
                let statuses = answers.map(\.status)
                #expect(statuses.contains(201))
                // 202: decided at the other replica, which is still committing. 409: still running.
                let isKnown = statuses.allSatisfy { [201, 202, 409].contains($0) }
                #expect(isKnown, "\(answers.map(\.body))")
            }
            try await testbed.expectQuiet(users: 10, orders: 10)
            for client in clients {
                // The replica learns of the end, and counts, after the rows show it.
                try await testbed.until("every slot and session is free again") {
                    let answer = try Testbed.answer(await client.get("/v1/participants/users"))
                    return answer.body["preparedSlots"]?["inUse"]?.integer == 0
                        && answer.body["idleConnections"] == answer.body["openConnections"]
                }
            }
        }
    }
}
