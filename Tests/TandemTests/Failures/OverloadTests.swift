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
        #"{"branches":[{"participant":"users","statements":[{"sql":"\#(Testbed.waiting)"},"#
            + #"{"sql":"INSERT INTO users VALUES ('\#(user)', 'Ada')"}]}],"#
            + #""timeoutMilliseconds":60000}"#
    }

    private static func expectRefused(_ answer: Testbed.Answer) {
        #expect(answer.status == 503)
        #expect(answer.type == "/problems/overloaded")
        #expect(answer.field("content-type") == "application/problem+json")
        #expect(answer.field("retry-after").flatMap { Int($0) } != nil)
        #expect(answer.body["retryable"] == .bool(true))
    }

    private func untilAccepted(_ count: Int, _ testbed: Testbed) async throws {
        try await testbed.until("\(count) are accepted") {
            try await testbed.value("state", "SELECT count(*) FROM tandem.transactions")
                == "\(count)"
        }
    }

    @Test("beyond limits.inFlight nothing is accepted, and the key stays unused")
    func inFlight() async throws {
        try await withCommitModes(settings: ["limits: { inFlight: 2 }", Self.patient]) { testbed in
            let client = testbed.client
            async let one = client.transaction(Self.held("u1"))
            async let two = client.transaction(Self.held("u2"))
            try await untilAccepted(2, testbed)
            Self.expectRefused(try await testbed.post(Testbed.pair("u3", "o3"), key: "k"))
            Self.expectRefused(try await testbed.post(Testbed.pair("u3", "o3")))
            // Who only asks is served.
            #expect(try await testbed.get("/v1/transactions").status == 200)
            #expect(try await testbed.get("/livez").status == 200)
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "2")
            try await testbed.go("users")
            #expect(try await one.status == 201)
            #expect(try await two.status == 201)
            #expect(try await testbed.post(Testbed.pair("u3", "o3"), key: "k").status == 201)
            try await testbed.expectQuiet(users: 3, orders: 1)
        }
    }

    @Test("beyond limits.queued no request waits for a session")
    func queued() async throws {
        try await withCommitModes(
            settings: ["limits: { queued: 0 }", Self.patient], keys: ["users": "poolSize: 1"]
        ) { testbed in
            try await testbed.untilAvailable()
            let client = testbed.client
            async let one = client.transaction(Self.held("u1"))
            try await untilAccepted(1, testbed)
            Self.expectRefused(try await testbed.post(Testbed.pair("u2", "o2"), key: "k"))
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "1")
            try await testbed.go("users")
            #expect(try await one.status == 201)
            try await testbed.until("the session is free again") {
                try await testbed.post(Testbed.pair("u2", "o2"), key: "k").status == 201
            }
            try await testbed.expectQuiet(users: 2, orders: 1)
        }
    }

    @Test("many times the limit at once: each is run whole or refused whole")
    func flood() async throws {
        try await withCommitModes(
            settings: ["limits: { inFlight: 16, queued: 8 }", Self.patient]
        ) { testbed in
            try await testbed.untilAvailable()
            let client = testbed.client
            let answers = try await withThrowingTaskGroup(of: Testbed.Answer.self) { group in
                for number in 0..<128 {
                    group.addTask {
                        try await client.transaction(Testbed.pair("u\(number)", "o\(number)"))
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let committed = answers.count { $0.status == 201 }
            #expect(committed > 0)
            for answer in answers where answer.status != 201 { Self.expectRefused(answer) }
            try await testbed.expectQuiet(users: committed, orders: committed)
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions")
                    == "\(committed)")
        }
    }
}
