import CommitProtocol
import Testing

@testable import TransactionEngine

@Suite("Branches of a request that may begin")
struct InspectedBranchTests {
    private func sessions(_ branches: [TransactionRequest.Branch]) throws -> [SessionRequest] {
        try TransactionRequest(
            principal: "p", idempotency: nil, branches: branches, isolation: .readCommitted,
            timeout: .seconds(1), labels: []
        ).inspected(for: FakeParticipants()).map(\.sessionRequest)
    }

    private func session(_ statements: Statement...) throws -> SessionRequest {
        try #require(try sessions([.init(participant: "users", statements: statements)]).first)
    }

    @Test("have the shape of their SQL, whatever the parameters")
    func shape() throws {
        let (one, two) = ("SELECT $1", "SELECT $1 + 1")
        func shape(_ texts: String..., value: String = "1") throws -> Int {
            let statements = texts.map { Statement(sql: $0, parameters: [value]) }
            return try sessions([.init(participant: "users", statements: statements)])[0].shape
        }
        #expect(try shape(one) == shape(one, value: "2"))
        #expect(try shape(one, two) == shape(one, two))
        let others = try [
            shape(one), shape(two), shape(one, two), shape(two, one), shape(one, one),
        ]
        #expect(Set(others).count == others.count)
        #expect(!others.contains(0))
    }

    @Test("have the hashes of their parameters in order")
    func parameters() throws {
        let found = try session(
            Statement(sql: "SELECT $1, $2", parameters: ["a", nil]),
            Statement(sql: "SELECT $1", parameters: ["a"])
        ).parameters
        #expect(found.count == 3)
        #expect(found[0] == found[2])
        #expect(found[0] != found[1])
    }

    @Test("have one hash of many parameters")
    func manyParameters() throws {
        for (count, expected) in [(64, 64), (65, 1)] {
            let placeholders = (1...count).map { "$\($0)" }.joined(separator: ", ")
            let statement = Statement(
                sql: "SELECT \(placeholders)", parameters: Array(repeating: "a", count: count))
            #expect(try session(statement).parameters.count == expected)
        }
    }

    @Test("are refused if a participant has more of them than sessions")
    func tooMany() throws {
        let branch = TransactionRequest.Branch(
            participant: "users", statements: [Statement(sql: "SELECT 1")])
        #expect(try sessions(Array(repeating: branch, count: 10)).count == 10)
        #expect(throws: AdmissionFailure.self) {
            try sessions(Array(repeating: branch, count: 11))
        }
    }
}
