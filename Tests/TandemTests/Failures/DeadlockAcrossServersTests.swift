import PostgresClusters
import Testing

@testable import tandem

@Suite("Transactions that lock rows of two servers in opposite orders")
struct DeadlockAcrossServersTests {
    private static let add = "UPDATE accounts SET balance = balance + 1 WHERE id = 'hot'"

    @Test("no transaction waits for ever, and one of two commits", arguments: [1, 2])
    func opposite(replicas: Int) async throws {
        // PostgreSQL itself would let them wait for ever.
        let patient = "lockTimeoutMilliseconds: 0"
        try await withTestbed(keys: ["users": patient, "orders": patient]) { testbed in
            for name in Sandbox.participantNames {
                try await testbed.asStranger(name, ["INSERT INTO accounts VALUES ('hot', 0)"])
            }
            let second =
                replicas == 2
                ? LoopbackHTTP(port: try await testbed.sandbox.startReplica(2, isQuiet: true).port)
                : testbed.client
            let (first, names) = (testbed.client, ["users", "orders"])
            let answers = [
                Task { try await first.post("/v1/transactions", Self.request(names)) },
                Task { try await second.post("/v1/transactions", Self.request(names.reversed())) },
            ]
            for name in names {
                try await testbed.untilRunning("DO", in: name)
                try await testbed.until("the other branch is prepared in \(name)") {
                    try await testbed.value(name, "SELECT count(*) FROM pg_prepared_xacts") == "1"
                }
            }
            for name in names { try await testbed.go(name) }
            var statuses: [Int] = []
            for answer in answers {
                let answer = try Testbed.answer(try await answer.value)
                statuses.append(answer.status)
                // The victim, if it does not run again by itself.
                if answer.status != 201 { #expect(answer.type == "/problems/deadlock") }
            }
            #expect(statuses.contains(201))
            let sum = "\(statuses.count { $0 == 201 })"
            for name in names {
                #expect(
                    try await testbed.value(name, "SELECT balance FROM accounts WHERE id = 'hot'")
                        == sum)
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    /// Adds in the first participant at once, and in the second after `go`.
    private static func request(_ names: [String]) -> String {
        #"{"timeoutMilliseconds":60000,"branches":[{"participant":"\#(names[0])","#
            + #""statements":[{"sql":"\#(add)"}]},{"participant":"\#(names[1])","#
            + #""statements":[{"sql":"\#(Testbed.waiting)"},{"sql":"\#(add)"}]}]}"#
    }
}
