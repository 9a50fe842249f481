#if TANDEM_FAILPOINTS
import CommitProtocol

/// A decision log with failpoints around its durable steps.
struct FailingLog: DecisionLog {
    let inner: any DecisionLog
    let points: Failpoints

    var installation: String { inner.installation }
    var replica: String { inner.replica }
    var epoch: Int64 { inner.epoch }

    func accept(_ record: TransactionRecord) async -> AcceptAnswer {
        points.hit(.accept, .before)
        let answer = await inner.accept(record)
        points.hit(.accept, .after)
        return answer
    }

    func decide(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer {
        let step: Failpoint.Step = decision == .commit ? .decideCommit : .decideAbort
        points.hit(step, .before)
        let answer = await inner.decide(decision, record)
        points.hit(step, .after)
        return answer
    }

    func recordEnd(_ record: TransactionRecord) async throws(LogUnavailable) {
        try await inner.recordEnd(record)
    }

    func tombstone(_ record: TransactionRecord) async -> DecideAnswer {
        points.hit(.tombstone, .before)
        let answer = await inner.tombstone(record)
        points.hit(.tombstone, .after)
        return answer
    }

    func delegate(_ record: TransactionRecord) async -> DecideAnswer {
        points.hit(.delegate, .before)
        let answer = await inner.delegate(record)
        points.hit(.delegate, .after)
        return answer
    }

    func copy(_ decision: Decision, _ record: TransactionRecord) async -> DecideAnswer {
        points.hit(.copy, .before)
        let answer = await inner.copy(decision, record)
        points.hit(.copy, .after)
        return answer
    }

    func report(_ record: TransactionRecord) async { await inner.report(record) }

    func noteOutcomes(_ record: TransactionRecord) async { await inner.noteOutcomes(record) }

    func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? {
        try await inner.operatorQueue()
    }

    func finish(_ record: TransactionRecord) async {
        points.hit(.finish, .before)
        await inner.finish(record)
        points.hit(.finish, .after)
    }

    func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable) {
        try await inner.requestRollback(id)
    }

    /// Every pass asks; only one that took something over made something durable.
    func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        points.hit(.claim, .before)
        let rows = try await inner.claimUnowned(limit: limit, known: known, active: active)
        if !rows.isEmpty { points.hit(.claim, .after) }
        return rows
    }

    func nextTransactionID() async throws(LogUnavailable) -> GlobalTransactionID {
        try await inner.nextTransactionID()
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
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        try await inner.records(filter)
    }

    func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord] {
        try await inner.expired(limit: limit)
    }

    func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await inner.confirmedRecord(id)
    }

    func resolve(
        _ record: TransactionRecord, _ resolution: Resolution, _ change: ResolutionChange
    ) async throws(LogUnavailable) -> Bool {
        try await inner.resolve(record, resolution, change)
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
#endif
