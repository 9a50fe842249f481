import CommitProtocol
import EventLoop
import PostgresTransactions
import TransactionEngine

/// The decision log of a coordinator that keeps none: it lives as long as the program.
///
/// The machine runs by the same rules over it. What is missing is only that anybody could finish the
/// work of a program that has died; so the prepared transactions have names that no recovery acts
/// on, and that tell an operator which of them belong together.
@LoopActor
final class MemoryDecisionLog: DecisionLog {
    nonisolated let installation: String
    nonisolated var replica: String { installation }
    nonisolated let epoch: Int64 = 1
    private var lastNumber: Int64 = 0
    private var records: [GlobalTransactionID: TransactionRecord] = [:]
    /// Those that have ended, the oldest first: a few are remembered for whoever asks.
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

    func accept(_ record: TransactionRecord) async -> AcceptAnswer {
        records[record.id] = record
        return .accepted
    }

    func decide(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer {
        if let earlier = records[record.id]?.decision { return .decided(earlier, evidence: []) }
        var decided = record
        decided.decision = decision
        decided.state = decision == .commit ? .committing : .aborting
        records[record.id] = decided
        return .decided(decision, evidence: [])
    }

    func tombstone(_ record: TransactionRecord) async -> DecideAnswer {
        await decide(.abort, record)
    }

    func delegate(_ record: TransactionRecord) async -> DecideAnswer {
        preconditionFailure("without a log no branch decides by itself")
    }

    func copy(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer {
        preconditionFailure("without a log no journal is kept")
    }

    func report(_ record: TransactionRecord) async {
        records[record.id] = record
    }

    func noteOutcomes(_ record: TransactionRecord) async {
        records[record.id] = record
    }

    /// There is no list of them: each run's caller is told.
    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? { nil }

    func finish(_ record: TransactionRecord) async {
        records[record.id] = record
        ended.append(record.id)
        if ended.count > endedMax { records[ended.removeFirst()] = nil }
    }

    /// Nobody but its own coordinator can be asked.
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

    /// An operator's word is recorded where a coordinator keeps records; here `tandem logless` ends
    /// what is left, in the databases themselves.
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
