package import CommitProtocol
package import EventLoop
package import Logging

/// Runs global transactions: the front of the engine's parts, which callers, operators and replica
/// duties use.
///
/// All of it runs on the loop, and so do the production ports: no call between them changes threads.
@LoopActor
package final class TransactionEngine {
    private let ports: EnginePorts
    private let limits: EngineLimits
    private let table: TransactionTable
    private let driver: TransactionDriver
    private let status: StatusReader
    private let admission: Admission
    private let rollbacks: RollbackService
    private let recovery: RecoveryService
    private let scanner: ParticipantScanner
    private let resolution: OperatorResolution
    private let inspection: PreparedInspection

    /// Makes an engine of its ports.
    package init(
        ports: EnginePorts, encoding: OutcomeEncoding, limits: EngineLimits, logger: Logger
    ) {
        self.ports = ports
        self.limits = limits
        table = TransactionTable(ports.clock, limits)
        let context = EngineContext(
            ports: ports, encoding: encoding, limits: limits, logger: logger, table: table)
        driver = TransactionDriver(context)
        status = StatusReader(context)
        admission = Admission(context, driver: driver, status: status)
        rollbacks = RollbackService(context, driver: driver, status: status)
        recovery = RecoveryService(context, driver: driver)
        scanner = ParticipantScanner(context)
        resolution = OperatorResolution(
            context, driver: driver, status: status, recovery: recovery, scanner: scanner)
        inspection = PreparedInspection(context)
    }

    // MARK: Callers

    /// How many transactions this replica coordinates now.
    package var inFlight: Int { table.count }

    /// How many records wait for the next batched log write.
    package var waitingRecordCount: Int { ports.log.waitingRecordCount }

    /// How many requests wait for sessions.
    package var waitingRequestCount: Int {
        get async { await ports.participants.waitingRequestCount }
    }

    /// Runs a transaction to its answer, without a task: the completion is called once, on the loop, and
    /// possibly before this returns.
    ///
    /// It goes on to its finish whether or not anybody still waits.
    package func run(
        _ request: TransactionRequest,
        then completion: @escaping Completion<TransactionAnswer>
    ) {
        run(request, cancellation: nil, then: completion)
    }

    /// Runs a transaction, and waits for its answer.
    ///
    /// Cancelling the task asks for an abort, if the request is cancellable.
    package func run(_ request: TransactionRequest) async -> TransactionAnswer {
        let cancellation = request.isCancellable ? RequestCancellation() : nil
        return await withTaskCancellationHandler {
            await withCheckedContinuation { reply in
                if Task.isCancelled { cancellation?.cancel() }
                run(request, cancellation: cancellation) { reply.resume(returning: $0) }
            }
        } onCancel: {
            guard let cancellation else { return }
            Task { @LoopActor in cancellation.cancel() }
        }
    }

    private func run(
        _ request: TransactionRequest, cancellation: RequestCancellation?,
        then completion: @escaping Completion<TransactionAnswer>
    ) {
        guard !ports.observers.isEmpty else {
            return admission.run(request, cancellation: cancellation, then: completion)
        }
        let start = ports.clock.microseconds
        admission.run(request, cancellation: cancellation) { [ports] answer in
            ports.report(
                .answered(answer, after: .microseconds(ports.clock.microseconds - start)))
            completion(answer)
        }
    }

    /// What may be reported of a transaction; nil if no row of this principal has the id.
    ///
    /// A principal of nil stands for an operator, who sees every row.
    package func status(
        of id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await status.view(of: id, principal: principal)
    }

    /// Like `status(of:principal:)`, but first waits until the transaction is finished, at most for
    /// `limit`, whichever replica coordinates it.
    package func status(
        of id: GlobalTransactionID, principal: String?, waiting limit: Duration
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await status.view(of: id, principal: principal, waiting: limit)
    }

    /// When the unfinished branches of a transaction are tried next, by their numbers.
    ///
    /// A branch is missing if an attempt is under way, or if another replica coordinates the
    /// transaction, which alone knows.
    package func nextAttempts(of id: GlobalTransactionID) -> [Int: Timestamp] {
        table[id]?.nextAttempts ?? [:]
    }

    /// Rows that match, in the filter's order.
    package func list(_ filter: RecordFilter) async throws(LogUnavailable) -> RecordPage {
        try await status.page(filter)
    }

    /// Asks for an abort, whichever replica coordinates the transaction; asking again gives the
    /// recorded outcome.
    ///
    /// It may come too late: the answer is whichever decision the row then holds.
    package func rollBack(
        _ id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> RollbackAnswer {
        try await rollbacks.rollBack(id, principal: principal)
    }

    /// Has the unfinished branches of a decided transaction tried at once, whichever replica
    /// coordinates it, instead of at their next attempt.
    package func retryNow(
        _ id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> RetryAnswer {
        guard let before = try await status.view(of: id, principal: principal) else {
            return .notFound
        }
        guard before.decision != nil else { return .undecided(before) }
        guard before.finishedAt == nil, before.branches.contains(where: { $0.outcome == nil })
        else { return .finished(before) }
        if table[id] != nil {
            driver.retryNow(id)
        } else {
            await ports.signals.send(.retry(id))
        }
        return .asked(before)
    }

    // MARK: Operators

    /// Takes an operator's word for a branch that could not be finished, or could not be proved.
    ///
    /// `isExpected` is asked about the version of the status that the operator has seen; nil stands
    /// for a prepared transaction without a row. What contradicts the recorded decision, or the
    /// proof of a finish against it, has to be forced.
    package func resolve(
        _ id: GlobalTransactionID, _ resolution: Resolution,
        isExpected: @Sendable (String?) -> Bool
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        try await self.resolution.resolve(id, resolution, isExpected: isExpected)
    }

    /// The transactions that wait for an operator, at whichever replica; nil if none does.
    package func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? {
        try await ports.log.operatorQueue()
    }

    /// How long the queues of all replicas are.
    package func queues() async throws(LogUnavailable) -> [QueueSummary] {
        try await ports.log.queues(countMax: limits.queueCountMax)
    }

    /// The queues, replicas and participants at a glance.
    package func overview() async throws(LogUnavailable) -> Overview {
        var participants: [Overview.Participant] = []
        for status in await ports.participants.statuses() {
            participants.append(
                Overview.Participant(status: status, unresolved: scanner.reported(in: status.name)))
        }
        return Overview(
            replica: ports.log.replica, observedAt: ports.clock.wallTime,
            queues: try await ports.log.queues(countMax: limits.queueCountMax),
            replicas: try await ports.log.replicas(), participants: participants)
    }

    /// All replicas that the state database knows, by name.
    package func replicas() async throws(LogUnavailable) -> [ReplicaReport] {
        try await ports.log.replicas()
    }

    /// All prepared transactions of a participant's server: whose they are, what they lock, whom they
    /// block, and what can be done about each.
    package func preparedTransactions(
        in participant: String
    ) async throws(ParticipantUnreachable) -> PreparedReport {
        try await inspection.report(on: participant)
    }

    /// What is known of each participant.
    package func participantStatuses() async -> [ParticipantStatus] {
        await ports.participants.statuses()
    }

    /// The waits for locks in a participant's database now, of whatever sessions.
    package func waits(
        in participant: String
    ) async throws(ParticipantUnreachable) -> [LockWaitReport] {
        try await ports.participants.waits(in: participant)
    }

    /// For what the branches of a transaction wait, if this replica coordinates it.
    package func waits(of id: GlobalTransactionID) async -> [LockWaitReport] {
        await ports.participants.waits(of: id)
    }

    /// The course of a transaction: what its row holds, and what this replica remembers of it.
    package func timeline(of record: TransactionRecord) -> [TimelineEvent] {
        TransactionTimeline.events(of: record, table.timeline(of: record.id))
    }

    /// The prepared transactions of a participant that are left to an operator.
    package func reportedTransactions(in participant: String) -> [ReportedTransaction] {
        scanner.reported(in: participant)
    }

    /// Whether a scan of a participant has gone through, so that it is known what is left there.
    package func hasScanned(_ participant: String) -> Bool { scanner.scanned.contains(participant) }

    // MARK: Replica duties

    /// Takes over what no living replica owns, again and again, until the task is cancelled.
    package func recoverContinuously() async { await recovery.recoverContinuously() }

    /// Runs one pass over the rows.
    @discardableResult
    package func recoverOnce() async throws(LogUnavailable) -> RecoveryPass {
        try await recovery.recoverOnce()
    }

    /// Scans a participant for orphans, again and again, until the task is cancelled.
    package func scanContinuously(_ participant: String) async {
        await scanner.scanContinuously(participant)
    }

    /// Scans a participant once.
    package func scan(_ participant: String) async throws { try await scanner.scan(participant) }

    /// A participant answers again after a failure: nothing that waits for its next attempt there
    /// needs to wait any longer.
    package func participantAnswers(_ name: String) { driver.participantAnswers(name) }

    /// Takes a signal of another replica; nil if some may have been missed.
    package func receive(_ signal: ReplicaSignal?) async {
        switch signal {
        case nil: table.finishRecorded(nil)
        case .finished(let id): table.finishRecorded(id)
        // The finish is signalled once it is recorded, for only then can the other replica read it.
        case .watch(let id): table.watch(id)
        case .resolved(let id): try? await driver.applyResolutions(to: id)
        case .rollBack(let id): await rollbacks.receiveRollback(of: id)
        // Any session can send it; all that it does is an attempt that was due anyway.
        case .retry(let id): driver.retryNow(id)
        }
    }

    // MARK: Stopping

    /// Refuses new requests and waits until nothing is under way, at most for `limit`; true if
    /// every transaction has ended.
    ///
    /// The next incarnation of this replica, or another replica, finishes the rest.
    package func drain(within limit: Duration) async -> Bool {
        await admission.drain(within: limit)
    }

    /// Rolls back every undecided transaction, begins none that still waits for sessions, then waits
    /// as `drain` does.
    package func rollBackAll(within limit: Duration) async -> Bool {
        await admission.rollBackAll(within: limit)
    }
}
