#if TANDEM_FAILPOINTS
import CommitProtocol
import EventLoop

/// A decision log with failpoints around its durable steps.
struct FailingLog: DecisionLog {
    let inner: any DecisionLog
    let points: Failpoints

    var loop: EventLoop { inner.loop }
    var installation: String { inner.installation }
    var replica: String { inner.replica }
    var epoch: Int64 { inner.epoch }
    @LoopActor var waitingRecordCount: Int { inner.waitingRecordCount }

    @LoopActor
    func perform(_ write: LogWrite, then completion: @escaping Completion<LogAnswer>) {
        guard let step = Failpoint.Step(write) else {
            return inner.perform(write, then: completion)
        }
        points.hit(step, .before)
        inner.perform(write) { [points] answer in
            points.hit(step, .after)
            completion(answer)
        }
    }

    func recordFinish(_ record: TransactionRecord) async throws(LogUnavailable) {
        try await inner.recordFinish(record)
    }

    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? {
        try await inner.operatorQueue()
    }

    func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable) {
        try await inner.requestRollback(id)
    }

    /// Every recovery pass claims; only a claim that took rows over made something durable.
    func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        points.hit(.claim, .before)
        let rows = try await inner.claimUnowned(limit: limit, known: known, active: active)
        if !rows.isEmpty { points.hit(.claim, .after) }
        return rows
    }

    @LoopActor
    func nextTransactionID(
        then completion: @escaping Completion<Result<GlobalTransactionID, LogUnavailable>>
    ) {
        inner.nextTransactionID(then: completion)
    }

    func record(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await inner.record(id)
    }

    func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await inner.record(principal: principal, keyDigest: keyDigest)
    }

    func records(
        _ filter: RecordFilter
    ) async throws(LogUnavailable) -> RecordPage {
        try await inner.records(filter)
    }

    func queues(countMax: Int) async throws(LogUnavailable) -> [QueueSummary] {
        try await inner.queues(countMax: countMax)
    }

    func replicas() async throws(LogUnavailable) -> [ReplicaReport] { try await inner.replicas() }

    func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord] {
        try await inner.expired(limit: limit)
    }

    func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await inner.confirmedRecord(id)
    }

    func resolve(
        _ record: TransactionRecord, by resolution: Resolution, changing change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool {
        try await inner.resolve(record, by: resolution, changing: change)
    }

    func resolutions(
        of id: GlobalTransactionID
    ) async throws(LogUnavailable) -> [Resolution] {
        try await inner.resolutions(of: id)
    }

    func standing(
        of ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID: RowStanding] {
        try await inner.standing(of: ids)
    }

    func lowWaterMark() async throws(LogUnavailable) -> Int64 {
        try await inner.lowWaterMark()
    }
}

extension Failpoint.Step {
    /// The failpoint of a write; nil for writes that make nothing durable which recovery relies on.
    fileprivate init?(_ write: LogWrite) {
        switch write.request {
        case .decide(.abort) where write.successor != nil: self = .retry
        case .copy(.abort) where write.successor != nil: self = .retry
        case .accept: self = .accept
        case .decide(.commit): self = .decideCommit
        case .decide(.abort): self = .decideAbort
        case .tombstone: self = .tombstone
        case .delegate: self = .delegate
        case .copy: self = .copy
        case .finish: self = .finish
        case .report, .noteOutcomes: return nil
        }
    }
}
#endif
