import CommitProtocol
import EventLoop

/// Carries the machine's commands to branches, and their answers back as events.
///
/// Every command is answered by one event, but for `cancel`.
@LoopActor
final class BranchDriver {
    private let context: EngineContext
    private let complete: @LoopActor (ActiveTransaction, Decision) -> Void
    private let deliver: @LoopActor (Event, ActiveTransaction) -> Void

    /// `complete` completes the record for a decision; `deliver` hands an event to the machine.
    init(
        _ context: EngineContext,
        complete: @escaping @LoopActor (ActiveTransaction, Decision) -> Void,
        deliver: @escaping @LoopActor (Event, ActiveTransaction) -> Void
    ) {
        self.context = context
        self.complete = complete
        self.deliver = deliver
    }

    func perform(_ command: BranchCommand, _ transaction: ActiveTransaction) {
        switch command {
        case .work(let branch): begin(branch, transaction)
        case .cancel(let branch): cancel(branch, transaction)
        case .commitPrepared(let branch): finish(branch, as: .commit, of: transaction)
        case .rollbackPrepared(let branch): finish(branch, as: .abort, of: transaction)
        case .fenceAndRollBack(let branch): fenceAndRollBack(branch, transaction)
        case .commitLocally(let branch): commitLocally(branch, transaction)
        case .queryCommitPoint(let branch): queryCommitPoint(branch, transaction)
        case .release(let branch, let decision): release(branch, as: decision, of: transaction)
        }
    }

    // MARK: Work

    /// Begins the work of a branch, or has it wait for its turn.
    private func begin(_ branch: Int, _ transaction: ActiveTransaction) {
        guard let order = transaction.workOrder else { return work(branch, transaction) }
        let hasTurn = order.prefix { $0 != branch }.allSatisfy {
            transaction.branches[$0].report?.reply.isYes ?? false
        }
        if hasTurn { return work(branch, transaction) }
        transaction.queued.append(branch)
        transaction.queued.sort {
            (order.firstIndex(of: $0) ?? 0) < (order.firstIndex(of: $1) ?? 0)
        }
    }

    private func work(_ branch: Int, _ transaction: ActiveTransaction) {
        guard let session = transaction.branches[branch].session,
            let request = transaction.branches[branch].work
        else {
            preconditionFailure("the machine commands work of branches with a reserved session")
        }
        transaction.timeline.add(.workBegan, branch: branch, at: context.clock.microseconds)
        session.work(request) { [self] in worked($0, branch, of: transaction) }
    }

    private func cancel(_ branch: Int, _ transaction: ActiveTransaction) {
        guard let session = transaction.branches[branch].session else { return }
        guard let place = transaction.queued.firstIndex(of: branch) else {
            return session.cancel()
        }
        // Its turn has not come: nothing was sent, and nothing will be.
        transaction.queued.remove(at: place)
        let report = WorkReport(
            reply: .refused, results: [], failure: BranchFailure(.cancelled), session: nil)
        session.release()
        worked(report, branch, of: transaction)
    }

    private func worked(
        _ report: WorkReport, _ branch: Int, of transaction: ActiveTransaction
    ) {
        if !transaction.isOver, let failure = report.failure {
            transaction.branches[branch].work?.onRefusal?(failure)
        }
        transaction.workEnded(report, of: branch)
        guard !transaction.isOver else { return }
        switch report.reply {
        case .held, .ready:
            break
        case .lost:
            transaction.branches[branch].session = nil
            transaction.branches[branch].fence = report.session.map { .session($0) } ?? .none
        case .prepared, .preparedAgainstVote, .refused:
            transaction.branches[branch].session = nil
        }
        deliver(.voted(branch: branch, report.reply), transaction)
        // An abort empties the queue, and a no vote leads to one.
        guard report.reply.isYes, !transaction.isOver, !transaction.queued.isEmpty else { return }
        work(transaction.queued.removeFirst(), transaction)
    }

    // MARK: Prepared branches

    private func finish(
        _ branch: Int, as decision: Decision, fence: Fence = .none,
        of transaction: ActiveTransaction
    ) {
        let record = transaction.record.branches[branch]
        let state = transaction.machine.branches[branch]
        let request = FinishRequest(
            participant: record.participant, gid: record.gid, decision: decision,
            // A journal branch's transaction id may have been lost with the log of a server that
            // crashed, and be another transaction's now. The journal is its proof.
            evidence: record.commitMode == .journal ? nil : state.evidence,
            fence: fence, version: record.version,
            checksOwner: transaction.isAdopted || state.retries > 0)
        context.participants.finish(request) { [self] in finished($0, branch, of: transaction) }
    }

    private func finished(
        _ report: FinishReport, _ branch: Int, of transaction: ActiveTransaction
    ) {
        if let error = report.error { transaction.record.branches[branch].lastError = error }
        switch report.reply {
        case .done, .provedCommitted, .provedRolledBack: break
        case .tryAgain, .unprovable:
            context.ports.report(
                .finishFailed(
                    participant: transaction.record.branches[branch].participant,
                    isRetryable: report.reply == .tryAgain))
        }
        deliver(.finished(branch: branch, report.reply), transaction)
    }

    /// Rolls back what may still be open or prepared, once no session can prepare it any more.
    private func fenceAndRollBack(_ branch: Int, _ transaction: ActiveTransaction) {
        rollBackHeldSession(of: branch, transaction) { [self] isRolledBack in
            if transaction.isOver { return }
            if isRolledBack {
                deliver(.finished(branch: branch, .done), transaction)
            } else {
                finish(
                    branch, as: .abort, fence: transaction.branches[branch].fence, of: transaction)
            }
        }
    }

    // MARK: Held branches and the commit point

    /// Has the commit point commit its own transaction, once.
    private func commitLocally(_ branch: Int, _ transaction: ActiveTransaction) {
        guard let session = transaction.branches[branch].session else {
            preconditionFailure("the commit point's session is held until it has finished")
        }
        transaction.timeline.add(.decisionRequested, at: context.clock.microseconds)
        complete(transaction, .commit)
        let entry = journalEntry(branch, transaction)
        session.commit(entry) { [self] in committedLocally($0, branch, of: transaction) }
    }

    /// What the journal keeps; nil for a commit point without a journal.
    private func journalEntry(_ branch: Int, _ transaction: ActiveTransaction) -> JournalEntry? {
        let record = transaction.record
        guard record.branches[branch].commitMode == .journal else { return nil }
        // Only a key can ask for the results again.
        let keepsResults = record.idempotency != nil && !record.areResultsOmitted
        return JournalEntry(
            transaction: record.id, evidence: transaction.machine.branches.map(\.evidence),
            results: keepsResults ? record.results : nil)
    }

    private func committedLocally(
        _ report: LocalCommitReport, _ branch: Int, of transaction: ActiveTransaction
    ) {
        guard !transaction.isOver else { return }
        transaction.branches[branch].session = nil
        switch report.reply {
        case .committed: break
        case .rolledBack:
            transaction.branches[branch].report = WorkReport(
                reply: .refused, results: [], failure: report.failure,
                session: transaction.branches[branch].report?.session)
            if let failure = report.failure {
                transaction.branches[branch].work?.onRefusal?(failure)
            }
        case .unknown: transaction.branches[branch].fenceSession()
        }
        deliver(.localCommitAnswered(report.reply), transaction)
    }

    /// Asks the commit point what it decided, after rolling back what it still holds open here.
    private func queryCommitPoint(_ branch: Int, _ transaction: ActiveTransaction) {
        rollBackHeldSession(of: branch, transaction) { [self] _ in
            if transaction.isOver { return }
            let query = CommitPointQuery(
                about: branch, of: transaction.view, fence: transaction.branches[branch].fence)
            context.spawn { [self] in
                let report = await context.participants.queryCommitPoint(query)
                if let error = report.error {
                    transaction.record.branches[branch].lastError = error
                }
                transaction.record.results = transaction.record.results ?? report.results
                deliver(.commitPointAnswered(report.answer), transaction)
            }
        }
    }

    /// Finishes the transaction that a session holds open.
    private func release(
        _ branch: Int, as decision: Decision, of transaction: ActiveTransaction
    ) {
        guard let session = transaction.branches[branch].session else {
            let report = FinishReport(.tryAgain, error: "its session is not held")
            return released(report, branch, of: transaction)
        }
        session.finish(decision) { [self] in released($0, branch, of: transaction) }
    }

    private func released(
        _ report: FinishReport, _ branch: Int, of transaction: ActiveTransaction
    ) {
        transaction.branches[branch].session = nil
        if report.reply == .tryAgain { transaction.branches[branch].fenceSession() }
        finished(report, branch, of: transaction)
    }

    /// Rolls back what a session still holds; the completion gets true if it did.
    ///
    /// A session that does not confirm it is left to the fence.
    private func rollBackHeldSession(
        of branch: Int, _ transaction: ActiveTransaction,
        then completion: @escaping Completion<Bool>
    ) {
        guard !transaction.isOver, let session = transaction.branches[branch].session,
            transaction.branches[branch].report != nil
        else { return completion(false) }
        transaction.branches[branch].session = nil
        session.finish(.abort) { report in
            if report.reply == .tryAgain { transaction.branches[branch].fenceSession() }
            completion(report.reply != .tryAgain)
        }
    }
}

extension WorkReply {
    /// Whether the vote is yes.
    var isYes: Bool {
        switch self {
        case .prepared, .held, .ready: true
        case .preparedAgainstVote, .refused, .lost: false
        }
    }
}

extension CommitPointQuery {
    /// Asks about the commit point of a transaction, which is this branch.
    init(about branch: Int, of record: TransactionRecord, fence: Fence) {
        let found = record.branches[branch]
        self.init(
            participant: found.participant, transaction: record.id, branch: branch,
            commitPoint: found.commitMode == .journal
                ? .journal(record.journal) : .transactionStatus(found.evidence),
            fence: fence)
    }
}
