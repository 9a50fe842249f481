import CoordinatorAPI
import Foundation
import Glibc
import Testing

@testable import tandem

/// The answer at the decision: the commit is durable, and its end is nobody's to wait for.
@Suite("Answers at the decision")
struct EarlyAnswerTests {
    private static let atDecision = "Prefer: return-at=decision"
    private static let atEnd = "Prefer: return-at=end"

    @Test("the answer comes before the end, is replayed by its key, and the end is waited for")
    func beforeTheEnd() async throws {
        try await withTestbed { testbed in
            let frozen = try await testbed.freezeAllFinishers()
            let body = Testbed.pair("u1", "o1")
            let fields = [Self.atDecision, #"Idempotency-Key: "k""#]
            let early = try await testbed.transaction(body, fields)
            #expect(early.status == 202)
            #expect(early.field("preference-applied") == "return-at=decision")
            #expect(early.body["state"]?.string == "committing")
            #expect(early.body["decision"]?.string == "commit")
            #expect(early.body["branches"]?[0]?["outcome"]?.string == nil)
            let id = try #require(early.body["id"]?.string)
            #expect(early.field("location") == "/v1/transactions/\(id)")
            try await testbed.expectInDoubt(1)
            #expect(
                try await testbed.value("state", "SELECT decision FROM tandem.transactions")
                    == "commit")

            // The key's answer follows the transaction, whatever is preferred this time.
            for fields in [fields, [Self.atEnd, #"Idempotency-Key: "k""#]] {
                let replay = try await testbed.transaction(body, fields)
                #expect(replay.status == 202)
                #expect(replay.body["id"]?.string == id)
                #expect(replay.field("preference-applied") == nil)
            }
            let late = try await testbed.post("/v1/transactions/\(id)/rollback", "", fields: [])
            #expect(late.status == 409)

            for pid in frozen { kill(pid, SIGCONT) }
            let end = try await testbed.get("/v1/transactions/\(id)?waitSeconds=60")
            #expect(end.body["state"]?.string == "committed")
            let replay = try await testbed.transaction(body, fields)
            #expect(replay.status == 201)
            #expect(replay.text == end.text)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "a replica that is killed after the early answer has promised what the next incarnation keeps"
    )
    func killedAfterTheAnswer() async throws {
        try await withTestbed { testbed in
            let frozen = try await testbed.freezeAllFinishers()
            let early = try await testbed.transaction(
                Testbed.pair("u1", "o1"), [Self.atDecision])
            #expect(early.status == 202)
            let id = try #require(early.body["id"]?.string)
            await testbed.replica.kill()
            for pid in frozen {
                kill(pid, SIGTERM)
                kill(pid, SIGCONT)
            }
            try await testbed.startAgain()
            let end = try await testbed.status(id, "the next incarnation commits it") {
                $0["state"]?.string == "committed"
            }
            #expect(end["decision"]?.string == "commit")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("an abort, and a commit where enough are unfinished, are answered at their ends")
    func boundedByTheUnfinished() async throws {
        let settings = [
            "limits: { committing: 1 }",
            "transactions: { returnAt: decision, finishWaitMilliseconds: 600000 }",
        ]
        try await withCommitModes(settings: settings) { testbed in
            let frozen = try await testbed.freezeAllFinishers()
            // By the configuration alone: nothing was preferred, so nothing is said of it.
            let first = try await testbed.transaction(Testbed.pair("u1", "o1"), [])
            #expect(first.status == 202)
            #expect(first.field("preference-applied") == nil)
            let client = testbed.client
            async let second = client.transaction(Testbed.pair("u2", "o2"), [Self.atDecision])
            async let third = client.transaction(Testbed.pair("u3", "o3"), [Self.atEnd])
            try await testbed.until("three are decided") {
                try await testbed.value(
                    "state",
                    "SELECT count(*) FROM tandem.transactions WHERE decision = 'commit'") == "3"
            }
            for pid in frozen { kill(pid, SIGCONT) }
            // Had either been answered before the end it would have been with 202.
            let answers = try await (second, third)
            #expect(answers.0.status == 201)
            #expect(answers.0.field("preference-applied") == nil)
            #expect(answers.1.status == 201)
            #expect(answers.1.field("preference-applied") == "return-at=end")
            try await testbed.expectQuiet(users: 3, orders: 3)

            let abort = try await testbed.transaction(Testbed.pair("u4", "o1"), [Self.atDecision])
            #expect(abort.status == 409)
            #expect(abort.field("preference-applied") == nil)
            // The first has ended, and has made room.
            let next = try await testbed.transaction(Testbed.pair("u5", "o5"), [Self.atDecision])
            #expect([201, 202].contains(next.status))
            #expect(next.field("preference-applied") == "return-at=decision")
            try await testbed.expectQuiet(users: 4, orders: 4)
        }
    }

    @Test("a journal's decision is answered before the other branches have ended")
    func journal() async throws {
        try await withCommitModes(keys: ["users": "journal: true"]) { testbed in
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let early = try await testbed.transaction(
                Testbed.pair("u1", "o1"), [Self.atDecision])
            #expect(early.status == 202)
            #expect(early.field("preference-applied") == "return-at=decision")
            #expect(early.body["branches"]?[0]?["commitMode"]?.string == "journal")
            #expect(
                try await testbed.value(
                    "users", "SELECT count(*) FROM tandem_participant.decisions") == "1")
            #expect(try await testbed.value("users", "SELECT count(*) FROM users") == "1")
            #expect(
                try await testbed.value("orders", "SELECT count(*) FROM pg_prepared_xacts") == "1")
            for pid in frozen { kill(pid, SIGCONT) }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}

extension Testbed {
    func transaction(_ body: String, _ fields: [String]) async throws -> Answer {
        try await client.transaction(body, fields)
    }

    func freezeAllFinishers() async throws -> [pid_t] {
        try await untilAvailable()
        return try await freezeFinishers(of: "users") + freezeFinishers(of: "orders")
    }

    /// Each of so many transactions is prepared everywhere, and nothing of it is to be seen.
    func expectInDoubt(_ count: Int) async throws {
        for name in Sandbox.participantNames {
            #expect(
                try await value(name, "SELECT count(*) FROM pg_prepared_xacts") == "\(count)")
            #expect(try await value(name, "SELECT count(*) FROM \(name)") == "0")
        }
    }
}

extension LoopbackHTTP {
    /// Begins a transaction, with more header fields.
    func transaction(_ body: String, _ fields: [String] = []) async throws -> Testbed.Answer {
        let head = fields.map { $0 + "\r\n" }.joined()
        return try Testbed.answer(
            await send(
                "POST /v1/transactions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                    + "Content-Type: application/json\r\n\(head)"
                    + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"))
    }
}
