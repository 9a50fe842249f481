import CoordinatorAPI
import Foundation
import Testing

@testable import tandem

/// More than is taken in: refused at once, before anything is begun.
@Suite("Overload")
struct OverloadTests {
    /// What is taken in is to end, however slow the machine is.
    private static let patient =
        "transactions: { defaultTimeoutMilliseconds: 60000, finishWaitMilliseconds: 600000 }"

    private static func held(_ user: String) -> String {
        #"{"branches":[{"participant":"users","statements":[{"sql":"\#(Stage.waiting)"},"#
            + #"{"sql":"INSERT INTO users VALUES ('\#(user)', 'Ada')"}]}],"#
            + #""timeoutMilliseconds":60000}"#
    }

    private static func expectRefused(_ answer: Stage.Answer) {
        #expect(answer.status == 503)
        #expect(answer.type == "/problems/overloaded")
        #expect(answer.field("content-type") == "application/problem+json")
        #expect(answer.field("retry-after").flatMap { Int($0) } != nil)
        #expect(answer.body["retryable"] == .bool(true))
    }

    private func untilAccepted(_ count: Int, _ stage: Stage) async throws {
        try await stage.until("\(count) are accepted") {
            try await stage.value("state", "SELECT count(*) FROM tandem.transactions")
                == "\(count)"
        }
    }

    @Test("beyond limits.inFlight nothing is accepted, and the key stays unused")
    func inFlight() async throws {
        try await onEndingStage(settings: ["limits: { inFlight: 2 }", Self.patient]) { stage in
            let client = stage.client
            async let one = client.transaction(Self.held("u1"))
            async let two = client.transaction(Self.held("u2"))
            try await untilAccepted(2, stage)
            Self.expectRefused(try await stage.post(Stage.pair("u3", "o3"), key: "k"))
            Self.expectRefused(try await stage.post(Stage.pair("u3", "o3")))
            // Who only asks is served.
            #expect(try await stage.get("/v1/transactions").status == 200)
            #expect(try await stage.get("/livez").status == 200)
            #expect(
                try await stage.value("state", "SELECT count(*) FROM tandem.transactions") == "2")
            try await stage.go("users")
            #expect(try await one.status == 201)
            #expect(try await two.status == 201)
            #expect(try await stage.post(Stage.pair("u3", "o3"), key: "k").status == 201)
            try await stage.expectQuiet(users: 3, orders: 1)
        }
    }

    @Test("beyond limits.queued nobody waits for a session")
    func queued() async throws {
        try await onEndingStage(
            settings: ["limits: { queued: 0 }", Self.patient], keys: ["users": "poolSize: 1"]
        ) { stage in
            try await stage.untilAvailable()
            let client = stage.client
            async let one = client.transaction(Self.held("u1"))
            try await untilAccepted(1, stage)
            Self.expectRefused(try await stage.post(Stage.pair("u2", "o2"), key: "k"))
            #expect(
                try await stage.value("state", "SELECT count(*) FROM tandem.transactions") == "1")
            try await stage.go("users")
            #expect(try await one.status == 201)
            try await stage.until("the session is free again") {
                try await stage.post(Stage.pair("u2", "o2"), key: "k").status == 201
            }
            try await stage.expectQuiet(users: 2, orders: 1)
        }
    }

    @Test("many times the limit at once: each is run whole or refused whole")
    func flood() async throws {
        try await onEndingStage(
            settings: ["limits: { inFlight: 16, queued: 8 }", Self.patient]
        ) { stage in
            try await stage.untilAvailable()
            let client = stage.client
            let answers = try await withThrowingTaskGroup(of: Stage.Answer.self) { group in
                for number in 0..<128 {
                    group.addTask {
                        try await client.transaction(Stage.pair("u\(number)", "o\(number)"))
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let committed = answers.count { $0.status == 201 }
            #expect(committed > 0)
            for answer in answers where answer.status != 201 { Self.expectRefused(answer) }
            try await stage.expectQuiet(users: committed, orders: committed)
            #expect(
                try await stage.value("state", "SELECT count(*) FROM tandem.transactions")
                    == "\(committed)")
        }
    }
}
