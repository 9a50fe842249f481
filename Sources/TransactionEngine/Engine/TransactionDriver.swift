import CommitProtocol
import EventLoop
import Logging

/// Runs active transactions: hands events to the machine and does what its steps say.
///
/// It makes no decision. It starts a step's parts in the step's order: the write to the log, the
/// commands to branches, the timers, the reply. None waits for another, because a command that depends
/// on a record is in the step of the event that says the record is durable.
@LoopActor
final class TransactionDriver {
    private let context: EngineContext
    private let heuristics: HeuristicLog
    private lazy var repeater = RequestRepeater(
        context, deliver: { [weak self] in self?.deliver($0, to: $1) })
    private lazy var branches = BranchDriver(
        context, complete: { [weak self] in self?.complete($0, for: $1) },
        deliver: { [weak self] in self?.deliver($0, to: $1) })
    /// Transactions whose callers were answered `committing`, at the decision or since the wait was over, and
    /// which have not finished.
    private var unattendedCount = 0

    init(_ context: EngineContext) {
        self.context = context
        heuristics = HeuristicLog(replica: context.log.replica, logger: context.logger)
    }

    /// Begins a transaction, and takes it into the table.
    func begin(_ transaction: ActiveTransaction, _ acceptance: AcceptanceTiming) {
        context.table.insert(transaction)
        deliver(.begin(acceptance), to: transaction)
    }

    /// Coordinates a claimed row from now on; false if this replica does so already.
    func adopt(_ row: TransactionRecord) -> Bool {
        // Accepted here after the claim was sent, or finished here before it was answered.
        guard !context.table.contains(row.id) else { return false }
        let transaction = ActiveTransaction(
            adopting: row, at: context.clock.wallTime, clock: context.clock.microseconds)
        context.table.insert(transaction)
        let recovered = RecoveredTransaction(
            decision: row.decision, isDelegated: row.isDelegated,
            branches: row.branches.map {
                RecoveredBranch(evidence: $0.evidence, outcome: $0.outcome)
            })
        deliver(.adopt(recovered), to: transaction)
        return true
    }

    /// Asks the machine for an abort; one that has asked for a commit ignores it.
    ///
    /// The request runs no other transaction after that.
    func requestRollback(of transaction: ActiveTransaction) {
        transaction.activeRequest?.requestRollback()
        deliver(.rollbackRequested, to: transaction)
        transaction.activeRequest?.giveUpReservation()
    }

    /// Believes an operator's statements of how branches of a transaction of this replica were finished.
    ///
    /// An operator's order proves nothing: tandem carries it out as it does any decision.
    func applyResolutions(to id: GlobalTransactionID) async throws(LogUnavailable) {
        guard context.table[id] != nil else { return }
        let resolutions = try await context.log.resolutions(of: id)
        guard let transaction = context.table[id] else { return }
        transaction.record.resolutions = resolutions
        transaction.record.resolutionCount = resolutions.count
        for resolution in resolutions where !resolution.isOrder {
            guard case .finishing = transaction.machine.phase,
                transaction.machine.branches.indices.contains(resolution.branch),
                transaction.machine.branches[resolution.branch].outcome == nil
            else { continue }
            let reply: FinishReply =
                resolution.action == .committed ? .provedCommitted : .provedRolledBack
            deliver(.finished(branch: resolution.branch, reply), to: transaction)
        }
    }

    /// A participant answers again after a failure: nothing that waits for its next attempt there
    /// needs to wait any longer.
    func participantAnswers(_ name: String) {
        for transaction in context.table.all {
            for (branch, record) in transaction.record.branches.enumerated()
            where record.participant == name {
                fireNow(.finishAgain(branch: branch), transaction)
                if branch == transaction.machine.commitPoint {
                    fireNow(.queryAgain, transaction)
                }
            }
        }
    }

    /// Tries the unfinished branches of a transaction of this replica at once.
    ///
    /// One whose attempt is under way is left to that. Nothing is sent to a participant that is known to be
    /// unreachable, so this attempts to connect to it as well: once it answers, all branches there are tried.
    func retryNow(_ id: GlobalTransactionID) {
        guard let transaction = context.table[id] else { return }
        for (branch, record) in transaction.record.branches.enumerated()
        where transaction.machine.branches[branch].outcome == nil {
            context.participants.connectNow(to: record.participant)
            fireNow(.finishAgain(branch: branch), transaction)
            if branch == transaction.machine.commitPoint { fireNow(.queryAgain, transaction) }
        }
    }

    // MARK: Steps

    /// Hands an event to the machine, after those that came before it.
    ///
    /// A port may answer before its function returns: the rest of the step comes first.
    private func deliver(_ event: Event, to transaction: ActiveTransaction) {
        guard !transaction.isStepping else { return transaction.inbox.append(event) }
        transaction.isStepping = true
        handle(event, of: transaction)
        while !transaction.inbox.isEmpty {
            handle(transaction.inbox.removeFirst(), of: transaction)
        }
        transaction.isStepping = false
    }

    private func handle(_ event: Event, of transaction: ActiveTransaction) {
        guard !transaction.isOver else { return }
        let before = transaction.machine.state
        if let active = transaction.waitingRequest, active.request.repliesAtDecision {
            // While too many callers were answered early, the next ones wait for the finish: so the
            // intake slows down to what the participants can finish.
            transaction.machine.repliesAtDecision = unattendedCount < context.limits.committingMax
        }
        let now = context.clock.microseconds
        transaction.timeline.add(event, at: now)
        let step = transaction.machine.handle(
            event, at: now / 1000, deadline: transaction.deadline)
        if step.log == .finish { transaction.record.finishedAt = context.clock.wallTime }
        if transaction.machine.hasHeuristicOutcome { reportHeuristics(of: transaction) }
        if let request = step.log { write(request, transaction, isLast: step.isLast) }
        for command in step.commands { branches.perform(command, transaction) }
        for timer in step.timers { start(timer, transaction) }
        if let reply = step.reply { answer(reply, to: event, transaction) }
        if transaction.machine.state != before { context.table.stateChanged(transaction.id) }
        if step.isLast { end(transaction, at: now) }
    }

    private func reportHeuristics(of transaction: ActiveTransaction) {
        for branch in heuristics.logNew(of: transaction) {
            context.ports.report(
                .heuristicOutcome(participant: transaction.record.branches[branch].participant))
        }
    }

    private func answer(_ reply: Reply, to event: Event, _ transaction: ActiveTransaction) {
        guard let active = transaction.waitingRequest, let caller = active.caller else { return }
        active.caller = nil
        let reply =
            reply.isAbort && transaction.awaitsSuccessor ? .outcomeUnknown : reply
        var isAtDecision = false
        if reply == .committing {
            transaction.isUnattended = true
            unattendedCount += 1
            if case .due = event {
                // The bound on the answer has passed; the decision may be long known.
            } else {
                isAtDecision = true
            }
        }
        caller(
            ActiveTransaction.CallerReply(
                reply: reply, record: transaction.view, unavailability: transaction.unavailability,
                isAtDecision: isAtDecision))
    }

    private func end(_ transaction: ActiveTransaction, at now: Int64) {
        transaction.isOver = true
        transaction.timeline.add(.finished, at: now)
        if transaction.isUnattended { unattendedCount -= 1 }
        for timer in transaction.timers.values { timer.cancel() }
        // Reserved sessions that were never sent any work; those that worked are back already.
        for branch in transaction.branches { branch.session?.release() }
        context.table.remove(transaction)
        context.table.remember(transaction.timeline, transaction.machine.state)
        transaction.activeRequest?.ended(transaction)
        context.ports.report(.ended(ObservedTransaction(transaction)))
    }

    // MARK: The log

    private func write(
        _ request: LogRequest, _ transaction: ActiveTransaction, isLast: Bool
    ) {
        if request.isLazy {
            return isLast
                ? recordFinish(request, transaction.view) : recordProgress(request, transaction)
        }
        // The write that aborted the former run has accepted this one.
        if request == .accept, transaction.record.retryOf != nil { return }
        if case .decide = request {
            transaction.timeline.add(.decisionRequested, at: context.clock.microseconds)
        }
        // The branch that decides from now on is asked to commit.
        let decision = request == .delegate ? .commit : request.decision
        if let decision { complete(transaction, for: decision) }
        let record = request == .accept ? transaction.record : transaction.view
        guard request.isAbort else { return perform(LogWrite(request, of: record), transaction) }
        repeater.makeSuccessor(of: transaction) { [self] successor in
            perform(LogWrite(request, of: record, successor: successor?.record), transaction)
        }
    }

    private func perform(_ write: LogWrite, _ transaction: ActiveTransaction) {
        let request = write.request
        context.log.perform(write) { [self] answer in
            // An unknown answer keeps the successor: the same is written again.
            if answer == .retried {
                repeater.beginSuccessor(of: transaction)
            } else if answer.isKnown {
                repeater.abandonSuccessor(of: transaction)
            }
            deliver(event(answer, to: request, transaction), to: transaction)
        }
    }

    private func event(
        _ answer: LogAnswer, to request: LogRequest, _ transaction: ActiveTransaction
    ) -> Event {
        switch answer {
        case .accepted: return .accepted
        case .keyTaken: return .acceptRefused
        case .notWritten(let reason):
            transaction.unavailability = reason
            return .acceptUnavailable
        case .decided(let decision, let evidence):
            if decision == .abort { transaction.completeForAbortElsewhere(context.encoding) }
            return .decided(decision, evidence: evidence)
        case .retried: return .decided(.abort)
        case .delegated(let evidence):
            return request == .delegate ? .delegated : .delegationFound(evidence: evidence)
        case .missing:
            return .decisionMissing
        case .unknown where request == .accept:
            return .acceptUnknown
        case .unknown(let reason):
            context.logger.warning(
                "whether the decision was recorded is unknown; asking the log again",
                metadata: transaction.record.logged(with: ["reason": "\(reason)"]))
            return .decisionUnknown
        case .recorded:
            preconditionFailure("a record that no caller waits for has no event")
        }
    }

    private func complete(_ transaction: ActiveTransaction, for decision: Decision) {
        transaction.complete(
            for: decision, at: context.clock.wallTime, encoding: context.encoding, context.limits)
    }

    /// Records how branches were finished while others cannot be finished yet, so that every replica
    /// reports and lists it.
    private func recordProgress(_ request: LogRequest, _ transaction: ActiveTransaction) {
        let record = transaction.view
        context.log.perform(LogWrite(request, of: record)) { [context] _ in
            transaction.notedHeuristicCount = record.heuristicCount
            context.table.finishRecorded(transaction.id)
        }
    }

    /// Writes a record that no caller waits for: the finish, or that the decision cannot be known.
    ///
    /// Until it is durable, statuses show what was reached here. A failure is harmless: recovery finds
    /// the row unfinished, and reaches the same.
    private func recordFinish(_ request: LogRequest, _ record: TransactionRecord) {
        context.table.beginRecording(record)
        context.log.perform(LogWrite(request, of: record)) { [context, id = record.id] _ in
            guard context.table.endRecording(id) else { return }
            context.spawn { await context.signals.send(.finished(id)) }
        }
    }

    // MARK: Timers

    private func start(_ request: TimerRequest, _ transaction: ActiveTransaction) {
        let delay: Duration
        switch (request.delayMilliseconds, request.timer) {
        case (nil, .deadline):
            delay = .milliseconds(max(0, transaction.deadline - context.clock.milliseconds))
        case (nil, _):
            delay = context.limits.finishWait
        case (let milliseconds?, _):
            // Up to a quarter less, so that branches that wait together do not all try at once.
            delay = .milliseconds(milliseconds - context.ports.random(0...(milliseconds / 4)))
        }
        transaction.scheduled(request.timer, at: context.clock.wallTime, after: delay)
        transaction.timers[request.timer]?.cancel()
        transaction.timers[request.timer] = context.clock.schedule(after: delay) {
            [weak self, weak transaction] in
            guard let transaction else { return }
            self?.fire(request.timer, transaction)
        }
    }

    private func fire(_ timer: Timer, _ transaction: ActiveTransaction) {
        // Cancelled after it had fired, or fired early because its participant is back.
        guard transaction.timers.removeValue(forKey: timer) != nil else { return }
        transaction.began(timer)
        deliver(.due(timer), to: transaction)
    }

    private func fireNow(_ timer: Timer, _ transaction: ActiveTransaction) {
        transaction.timers[timer]?.cancel()
        fire(timer, transaction)
    }
}

extension Reply {
    /// Whether it says that the transaction does not commit.
    fileprivate var isAbort: Bool {
        switch self {
        case .aborted, .neverCommits: true
        default: false
        }
    }
}

extension LogRequest {
    /// Whether it writes an abort that may accept a successor.
    ///
    /// The row of a copy need not be durable; `RequestRepeater` checks that.
    fileprivate var isAbort: Bool { self == .decide(.abort) || self == .copy(.abort) }
}
