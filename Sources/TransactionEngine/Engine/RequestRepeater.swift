import CommitProtocol
import EventLoop
import Logging

/// Runs a request again whose transaction lost to others.
///
/// The write that aborts the former transaction accepts the next one, with the same key: so a key never
/// has two outcomes, and a crash leaves a transaction that recovery knows how to abort. The next one
/// takes its sessions only after that write, and after the work of the former one has ended: prepared
/// branches keep their locks at least until the abort is durable.
@LoopActor
final class RequestRepeater {
    private let context: EngineContext
    private let deliver: @LoopActor (Event, ActiveTransaction) -> Void

    /// `deliver` hands an event to a transaction's machine.
    init(
        _ context: EngineContext,
        deliver: @escaping @LoopActor (Event, ActiveTransaction) -> Void
    ) {
        self.context = context
        self.deliver = deliver
    }

    /// Makes the transaction that is to follow one whose abort is written now, if one is.
    ///
    /// The table holds it from now on, also before it is accepted, until it ends or
    /// `abandonSuccessor` removes it: a recovery pass must not take its row for one that nobody
    /// coordinates.
    func makeSuccessor(
        of transaction: ActiveTransaction,
        then completion: @escaping Completion<ActiveTransaction?>
    ) {
        if let successor = transaction.successor { return completion(successor) }
        guard let active = transaction.activeRequest, mayRunAgain(transaction, active) else {
            return completion(nil)
        }
        context.log.nextTransactionID { [self] id in
            guard let id = try? id.get(), mayRunAgain(transaction, active) else {
                return completion(nil)
            }
            let successor = active.makeSuccessor(id, of: transaction.record, context: context)
            transaction.successor = successor
            context.table.insert(successor)
            completion(successor)
        }
    }

    private func mayRunAgain(_ transaction: ActiveTransaction, _ active: ActiveRequest) -> Bool {
        // A caller that was answered already may know that the request never commits.
        active.transaction === transaction && active.caller != nil && !active.isRollbackRequested
            && transaction.machine.isAccepted
            && transaction.decisiveFailure?.isTransient == true
            && transaction.record.attempt <= active.request.retriesMax
            && context.clock.milliseconds < active.deadline
    }

    /// Forgets a successor that was not accepted: another decision came first.
    func abandonSuccessor(of transaction: ActiveTransaction) {
        guard let successor = transaction.successor else { return }
        transaction.successor = nil
        context.table.stateChanged(transaction.id)
        context.table.remove(successor)
    }

    /// Begins the successor, which is accepted.
    func beginSuccessor(of former: ActiveTransaction) {
        guard let successor = former.successor, let active = successor.activeRequest,
            active.transaction === former, let failure = former.decisiveFailure
        else { return }
        // The answer to the caller was that the outcome is unknown: it asks about this transaction.
        if active.caller == nil { active.requestRollback() }
        former.record.retriedAs = successor.id
        active.proceed(with: successor)
        // A status that waited for the outcome of the former one may go on now.
        context.table.stateChanged(former.id)
        context.logger.debug(
            "running a transaction again",
            metadata: former.record.logged(with: ["successor": "\(successor.id)"]))
        context.ports.report(.retried(former.view, failure))
        deliver(.begin(.first), successor)
        if active.isRollbackRequested { deliver(.rollbackRequested, successor) }
        // A branch that is being cancelled still has its session, and the program's code may still run in
        // it. Two runs at once would take twice the sessions, and call one closure twice at a time.
        former.whenWorkEnds { [self] in reserve(for: successor, active, after: former) }
    }

    /// Reserves a session for each branch, and has the transaction begin with them.
    ///
    /// A refusal that may pass is no reason to give up: the slots may be those of the run before, whose
    /// prepared branches are being rolled back.
    private func reserve(
        for transaction: ActiveTransaction, _ active: ActiveRequest,
        after former: ActiveTransaction,
        pause: Int64 = 50
    ) {
        let left = active.deadline - context.clock.milliseconds
        guard !active.isRollbackRequested, left > 0 else {
            return begin(transaction, active, after: former, nil)
        }
        let giveUp = context.participants.reserve(
            active.sessionRequests, runsAgain: true, within: .milliseconds(left)
        ) { [self] result in
            active.cancelReservation = nil
            switch result {
            case .success(let sessions): begin(transaction, active, after: former, sessions)
            case .failure(.cancelled), .failure(.draining):
                begin(transaction, active, after: former, nil)
            case .failure:
                reserveLater(for: transaction, active, after: former, pause: pause)
            }
        }
        if let giveUp { active.cancelReservation = giveUp }
    }

    private func reserveLater(
        for transaction: ActiveTransaction, _ active: ActiveRequest,
        after former: ActiveTransaction,
        pause: Int64
    ) {
        let left = active.deadline - context.clock.milliseconds
        let delay = Duration.milliseconds(max(0, min(pause, left)))
        let timer = context.clock.schedule(after: delay) { [self] in
            active.cancelReservation = nil
            reserve(for: transaction, active, after: former, pause: min(pause * 2, 1000))
        }
        active.cancelReservation = { [self] in
            timer.cancel()
            begin(transaction, active, after: former, nil)
        }
    }

    /// Lets the work begin; without sessions, or with some that lead elsewhere, the transaction is aborted.
    private func begin(
        _ transaction: ActiveTransaction, _ active: ActiveRequest, after former: ActiveTransaction,
        _ sessions: [any BranchSession]?
    ) {
        for (index, session) in (sessions ?? []).enumerated() {
            transaction.branches[index].session = session
        }
        if context.clock.milliseconds >= active.deadline {
            deliver(.due(.deadline), transaction)
        } else if !lead(sessions, whereRecorded: transaction.record),
            transaction.machine.cause == nil
        {
            // Its problem is that of the run before, which was the last that worked.
            var record = transaction.record
            record.attempt = former.record.attempt
            transaction.keepProblem(
                context.encoding.problem(
                    record, former.machine.cause ?? .decidedElsewhere, former.decisiveFailure))
            deliver(.rollbackRequested, transaction)
        }
        transaction.workOrder = active.workOrder(context.participants)
        deliver(.accepted, transaction)
    }

    /// Whether there are sessions, and they lead to the servers that the row names.
    ///
    /// It was accepted before it had sessions, and a branch is finished only where its row says.
    private func lead(
        _ sessions: [any BranchSession]?, whereRecorded record: TransactionRecord
    ) -> Bool {
        guard let sessions else { return false }
        return zip(sessions, record.branches).allSatisfy { session, branch in
            session.participantVersion == branch.version
                && (branch.commitMode != .journal || session.server == record.journal)
        }
    }
}
