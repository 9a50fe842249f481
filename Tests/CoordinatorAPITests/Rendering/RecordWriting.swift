import CommitProtocol
import Testing
import TransactionEngine

@testable import CoordinatorAPI

@Suite("Transactions as JSON")
struct RecordWriting {
    private static let id = GlobalTransactionID(number: 4711, salt: 0xAB)

    private func record() -> TransactionRecord {
        let request = TransactionRequest(
            principal: "p", idempotency: nil, branches: [], isolation: .serializable,
            timeout: .seconds(1), labels: [.init(name: "a", value: "\"1\"")])
        var branch = BranchRecord(participant: "users", gid: "g1", commitMode: .twoPhase)
        branch.vote = .prepared
        branch.outcome = .committed
        branch.retries = 12
        return TransactionRecord(
            id: Self.id, request: request, owner: "r", epoch: 1,
            acceptedAt: 1_772_366_400_000_250, deadline: 1_772_366_401_000_000,
            branches: [
                branch, BranchRecord(participant: "orders", gid: "g2", commitMode: .readOnly),
            ])
    }

    private func json(_ record: TransactionRecord) throws -> JSONValue {
        try JSONReader.read(RecordRendering.json(record))
    }

    @Test("All members of one, and none twice")
    func whole() throws {
        let value = try json(record())
        #expect(value["id"] == .string("4711-00000000000000ab"))
        #expect(value["isolation"] == .string("serializable"))
        #expect(value["labels"] == .object([JSONMember("a", .string("\"1\""))]))
        #expect(value["acceptedAt"] == .string("2026-03-01T12:00:00.000250Z"))
        #expect(value["deadline"] == .string("2026-03-01T12:00:01.000000Z"))
        #expect(value["decidedAt"] == .null)
        #expect(value["attempt"] == .number("1"))
        let branch = try #require(value["branches"]?[0])
        #expect(branch["branch"] == .number("0"))
        #expect(branch["finishAttempts"] == .number("12"))
        #expect(branch["outcome"] == .string("committed"))
        #expect(value["branches"]?[1]?["branch"] == .number("1"))
        #expect(value["branches"]?[2] == nil)
    }

    @Test("Each branch has its own line of the recorded results")
    func results() throws {
        let row = StatementResult(
            command: "SELECT 1", affectedRows: 1,
            columns: [.init(name: "n\n", typeOID: 114)], rows: [["{\"a\":\n1}"]])
        for results in [[[row], []], [[], [row]], [[row, row], [row]], [[], []]] {
            var record = record()
            record.results = OutcomeEncoding.json.results(results)
            let value = try json(record)
            for (index, expected) in results.enumerated() {
                guard case .array(let shown)? = value["branches"]?[index]?["results"] else {
                    Issue.record("branch \(index) shows no results")
                    continue
                }
                #expect(shown.count == expected.count)
                #expect(shown.allSatisfy { $0["commandTag"] == .string("SELECT 1") })
            }
        }
    }

    @Test("Without recorded results there are none", arguments: [nil, []] as [[UInt8]?])
    func noResults(_ results: [UInt8]?) throws {
        var record = record()
        record.results = results
        for index in 0...1 {
            #expect(try json(record)["branches"]?[index]?["results"] == .array([]))
        }
    }

    @Test("The version names what changes")
    func version() {
        var record = record()
        let first = record.version
        #expect(first == "4711-00000000000000ab-active-1-12")
        record.resolutionCount = 2
        record.isHeld = true
        record.retriedAs = Self.id
        #expect(record.version == first + "-2-held-again")
    }
}
