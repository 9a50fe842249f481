import CommitProtocol
import EventLoop

/// A decision log with a gate around its durable steps.
struct SteppedLog: DecisionLog {
    let inner: any DecisionLog
    let gate: any StepGate

    var loop: EventLoop { inner.loop }
    var installation: String { inner.installation }
    var replica: String { inner.replica }
    var epoch: Int64 { inner.epoch }
    @LoopActor var waitingRecordCount: Int { inner.waitingRecordCount }

    @LoopActor
    func perform(_ write: LogWrite, then completion: @escaping Completion<LogAnswer>) {
        guard let step = ProtocolStep(write) else {
            return inner.perform(write, then: completion)
        }
        gate.reach(StepPlace(step, .before, of: .write(write))) { [inner, gate] verdict in
            guard verdict == .goOn else {
                return completion(.unknown(reason: StepPlace.disconnected))
            }
            inner.perform(write) { answer in
                let place = StepPlace(
                    step, .after, of: .write(write), isDone: answer.says(write.request))
                gate.reach(place) { verdict in
                    completion(
                        verdict == .goOn ? answer : .unknown(reason: StepPlace.disconnected))
                }
            }
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
        func pass(_ place: StepPlace) async throws(LogUnavailable) {
            guard await gate.reach(place) == .goOn else {
                throw LogUnavailable(StepPlace.disconnected)
            }
        }
        try await pass(StepPlace(.claim, .before))
        let rows = try await inner.claimUnowned(limit: limit, known: known, active: active)
        if !rows.isEmpty {
            try await pass(StepPlace(.claim, .after, of: .rows(rows), isDone: true))
        }
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

extension ProtocolStep {
    /// The step of a write; nil for writes that make nothing durable which recovery relies on.
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

extension LogAnswer {
    /// Whether it says that the row holds now what was asked for.
    fileprivate func says(_ request: LogRequest) -> Bool {
        switch self {
        case .accepted, .retried, .delegated, .recorded: true
        case .decided(let decision, _): decision == request.decision
        case .keyTaken, .missing, .notWritten, .unknown: false
        }
    }
}
