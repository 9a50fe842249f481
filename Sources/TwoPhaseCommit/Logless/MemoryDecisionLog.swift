import CommitProtocol
import EventLoop
import PostgresTransactions
import TransactionEngine

/// Keeps decisions in memory, for a coordinator without a decision log.
///
/// The protocol's rules hold while the program runs. When it dies, nobody can finish its
/// transactions. So their prepared transactions have names that recovery ignores, and that show an
/// operator which of them belong together.
@LoopActor
final class MemoryDecisionLog: DecisionLog {
    nonisolated let loop: EventLoop
    nonisolated let installation: String
    nonisolated var replica: String { installation }
    nonisolated let epoch: Int64 = 1
    private var lastNumber: Int64 = 0
    private var records: [GlobalTransactionID: TransactionRecord] = [:]
    /// Finished transactions that `status(of:)` still finds, the oldest first.
    private var finished: [GlobalTransactionID] = []
    private let finishedMax = 10_000
    private nonisolated let random: @Sendable () -> UInt64

    nonisolated init(on loop: EventLoop, random: @escaping @Sendable () -> UInt64) {
        self.loop = loop
        installation = LoglessName.newCoordinator(random: random)
        self.random = random
    }

    nonisolated func preparedName(
        of id: GlobalTransactionID, branch: Int, branchCount: Int
    ) -> String {
        LoglessName(
            coordinator: installation, transaction: id, branch: branch, branchCount: branchCount
        ).description
    }

    func nextTransactionID(
        then completion: @escaping Completion<Result<GlobalTransactionID, LogUnavailable>>
    ) {
        lastNumber += 1
        completion(.success(GlobalTransactionID(number: lastNumber, salt: random())))
    }

    func perform(_ write: LogWrite, then completion: @escaping Completion<LogAnswer>) {
        completion(answer(to: write))
    }

    private func answer(to write: LogWrite) -> LogAnswer {
        let record = write.record
        precondition(
            !record.branches.contains(where: \.commitMode.isCommitPoint),
            "without a log no branch decides")
        if write.request.isLazy {
            update(record)
            if record.finishedAt != nil { finished.append(record.id) }
            if finished.count > finishedMax { records[finished.removeFirst()] = nil }
            return .recorded
        }
        if let decision = write.request.decision {
            return decide(decision, record, successor: write.successor)
        }
        records[record.id] = record
        return .accepted
    }

    private func decide(
        _ decision: Decision, _ record: TransactionRecord, successor: TransactionRecord?
    ) -> LogAnswer {
        if let earlier = records[record.id], let decision = earlier.decision {
            let isRetried = successor != nil && earlier.retriedAs == successor?.id
            return isRetried ? .retried : .decided(decision, evidence: [])
        }
        var decided = record
        decided.decision = decision
        decided.state = decision == .commit ? .committing : .aborting
        if decision == .abort, var successor {
            decided.retriedAs = successor.id
            successor.state = .preparing
            records[successor.id] = successor
        }
        records[record.id] = decided
        return decided.retriedAs == nil ? .decided(decision, evidence: []) : .retried
    }

    /// Records how far a transaction has come; which run followed it was recorded with its abort.
    private func update(_ record: TransactionRecord) {
        var record = record
        record.retriedAs = records[record.id]?.retriedAs
        records[record.id] = record
    }

    /// There is no queue: each run reports to its own caller.
    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? { nil }

    /// Does nothing: only this coordinator reports the status.
    func recordFinish(_ record: TransactionRecord) async throws(LogUnavailable) {}

    func record(_ id: GlobalTransactionID) async throws(LogUnavailable) -> TransactionRecord? {
        records[id]
    }

    func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord? { nil }

    func records(
        _ filter: RecordFilter
    ) async throws(LogUnavailable) -> RecordPage {
        RecordPage(
            records: Array(records.values.sorted { $1.id < $0.id }.prefix(filter.limit)))
    }

    /// There are none: each run reports to its own caller.
    func queues(countMax: Int) async throws(LogUnavailable) -> [QueueSummary] { [] }

    /// There are none: this coordinator is alone, and nobody takes its transactions over.
    func replicas() async throws(LogUnavailable) -> [ReplicaReport] { [] }

    func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable) {}

    func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord] { [] }

    func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord] { [] }

    func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? { records[id] }

    /// Refuses: an operator ends such transactions with `tandem logless` in the databases themselves.
    func resolve(
        _ record: TransactionRecord, by resolution: Resolution, changing change: ResolutionChange
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
