import CommitProtocol
import EventLoop
import PostgresTransactions
import TransactionEngine

/// The decision log of a coordinator without a state database: it lasts as long as the program.
///
/// The protocol is the same. But if the program dies, no other process can finish its transactions; so
/// the prepared transactions have names that no recovery acts on, and from which an operator sees which
/// of them belong together.
@LoopActor
final class MemoryDecisionLog: DecisionLog {
    nonisolated let installation: String
    nonisolated var replica: String { installation }
    nonisolated let epoch: Int64 = 1
    private var lastNumber: Int64 = 0
    private var records: [GlobalTransactionID: TransactionRecord] = [:]
    /// Transactions that have ended, the oldest first; the latest are kept for status requests.
    private var ended: [GlobalTransactionID] = []
    private let endedMax = 10_000

    nonisolated init() {
        installation = LoglessName.newCoordinator()
    }

    nonisolated func preparedName(
        of id: GlobalTransactionID, branch: Int, branchCount: Int
    ) -> String {
        LoglessName(
            coordinator: installation, transaction: id, branch: branch, branchCount: branchCount
        ).description
    }

    func nextTransactionID() async throws(LogUnavailable) -> GlobalTransactionID {
        lastNumber += 1
        return GlobalTransactionID(number: lastNumber, salt: UInt64.random(in: .min ... .max))
    }

    func perform(_ write: LogWrite) async -> LogAnswer {
        let record = write.record
        switch write.request {
        case .accept:
            records[record.id] = record
            return .accepted
        case .decide(let decision):
            return decide(decision, record)
        case .tombstone:
            return decide(.abort, record)
        case .report, .noteOutcomes:
            records[record.id] = record
            return .recorded
        case .finish:
            records[record.id] = record
            ended.append(record.id)
            if ended.count > endedMax { records[ended.removeFirst()] = nil }
            return .recorded
        case .delegate, .copy:
            preconditionFailure("without a log no commit point decides")
        }
    }

    private func decide(_ decision: Decision, _ record: TransactionRecord) -> LogAnswer {
        if let earlier = records[record.id]?.decision { return .decided(earlier, evidence: []) }
        var decided = record
        decided.decision = decision
        decided.state = decision == .commit ? .committing : .aborting
        records[record.id] = decided
        return .decided(decision, evidence: [])
    }

    /// There is no list of them: each run reports it to its caller.
    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? { nil }

    /// Only its own coordinator knows of a transaction.
    func recordEnd(_ record: TransactionRecord) async throws(LogUnavailable) {}

    func record(_ id: GlobalTransactionID) async throws(LogUnavailable) -> TransactionRecord? {
        records[id]
    }

    func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord? { nil }

    func records(
        _ filter: RecordFilter
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        Array(records.values.sorted { $1.id < $0.id }.prefix(filter.limit))
    }

    func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable) {}

    func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord] { [] }

    func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord] { [] }

    func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? { records[id] }

    /// Without a log there is nowhere to record a resolution: `tandem logless` ends prepared
    /// transactions that are left, in the databases themselves.
    func resolve(
        _ record: TransactionRecord, _ resolution: Resolution, _ change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool {
        throw LogUnavailable("this coordinator has no decision log")
    }

    func resolutions(
        of id: GlobalTransactionID
    ) async throws(LogUnavailable) -> [Resolution] { [] }

    func standing(
        of ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID: RowStanding] { [:] }

    func lowWaterMark() async throws(LogUnavailable) -> Int64 { 0 }
}
