import CommitProtocol
import EventLoop
import Logging

/// Runs a request again whose transaction lost to others.
///
/// The write that aborts the former transaction accepts the next one, with the same key: so a key never
/// has two outcomes, and a crash leaves a transaction that recovery knows how to abort. The next one
/// takes its sessions only then, since the former one keeps its locks until its abort is durable.
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

    /// The transaction that is to follow one whose abort is written now; nil if none is.
    ///
    /// Until it is accepted, or `abandonSuccessor` is called, the table holds it: a recovery pass
    /// must not take its row for one that nobody coordinates.
    func successor(of transaction: ActiveTransaction) async -> ActiveTransaction? {
        if let successor = transaction.successor { return successor }
        guard let run = transaction.run, mayRunAgain(transaction, run),
            let id = try? await context.log.nextTransactionID(), mayRunAgain(transaction, run)
        else { return nil }
        let successor = run.makeSuccessor(id, of: transaction.record, context: context)
        transaction.successor = successor
        context.table.insert(successor)
        return successor
    }

    private func mayRunAgain(_ transaction: ActiveTransaction, _ run: RequestRun) -> Bool {
        // A caller that was answered already may know that the request never commits.
        run.transaction === transaction && run.caller != nil && !run.isRollbackRequested
            && transaction.machine.isAccepted
            && transaction.decisiveFailure?.isTransient == true
            && transaction.record.attempt <= run.request.retriesMax
            && context.clock.milliseconds < run.deadline
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
        guard let successor = former.successor, let run = successor.run,
            run.transaction === former, let failure = former.decisiveFailure
        else { return }
        // The answer to the caller was that the outcome is unknown: it asks about this transaction.
        if run.caller == nil { run.requestRollback() }
        former.record.retriedAs = successor.id
        run.proceed(with: successor)
        // A status that waited for the outcome of the former one may go on now.
        context.table.stateChanged(former.id)
        context.logger.debug(
            "running a transaction again",
            metadata: ["transaction": "\(former.id)", "successor": "\(successor.id)"])
        context.ports.observer?.observe(.retried(former.view, failure))
        deliver(.begin(.first), successor)
        if run.isRollbackRequested { deliver(.rollbackRequested, successor) }
        let reservation = Task(executorPreference: EventLoop.shared) {
            await self.reserve(for: successor, run, after: former)
        }
        run.cancelReservation = { reservation.cancel() }
        if run.isRollbackRequested { reservation.cancel() }
    }

    /// Reserves the sessions, and lets the work begin.
    private func reserve(
        for transaction: ActiveTransaction, _ run: RequestRun, after former: ActiveTransaction
    ) async {
        // A branch that is being cancelled still has its session, and the program's code may still run in
        // it. Two runs at once would take twice the sessions, and call one closure twice at a time.
        await former.waitUntilWorkEnds()
        let sessions = await sessions(for: run)
        run.cancelReservation = nil
        let areSame = await lead(sessions ?? [], whereRecorded: transaction.record)
        for (index, session) in (sessions ?? []).enumerated() {
            transaction.branches[index].session = session
        }
        if sessions == nil, context.clock.milliseconds >= run.deadline {
            deliver(.due(.deadline), transaction)
        } else if sessions == nil || !areSame, transaction.machine.cause == nil {
            // Its problem is that of the run before, which was the last that worked.
            var record = transaction.record
            record.attempt = former.record.attempt
            transaction.keepProblem(
                context.encoding.problem(
                    record, former.machine.cause ?? .decidedElsewhere, former.decisiveFailure))
            deliver(.rollbackRequested, transaction)
        }
        transaction.workOrder = run.workOrder(context.participants)
        deliver(.accepted, transaction)
    }

    /// A session for each branch; nil if there are none until the deadline.
    ///
    /// A refusal that may pass is no reason to give up: the slots may be those of the run before, whose
    /// prepared branches are being rolled back.
    private func sessions(for run: RequestRun) async -> [any BranchSession]? {
        var pause: Int64 = 50
        while !run.isRollbackRequested {
            let left = run.deadline - context.clock.milliseconds
            guard left > 0 else { return nil }
            do throws(AdmissionFailure) {
                return try await context.participants.reserve(
                    run.sessionRequests, runsAgain: true, within: .milliseconds(left))
            } catch {
                if error == .cancelled || error == .draining { return nil }
            }
            await context.clock.pause(.milliseconds(min(pause, left)))
            pause = min(pause * 2, 1000)
        }
        return nil
    }

    /// Whether sessions lead to the servers that the row names.
    ///
    /// It was accepted before it had sessions, and a branch is finished only where its row says.
    private func lead(
        _ sessions: [any BranchSession], whereRecorded record: TransactionRecord
    ) async -> Bool {
        for (index, session) in sessions.enumerated() {
            let branch = record.branches[index]
            guard session.participantVersion == branch.version else { return false }
            guard branch.commitMode == .journal else { continue }
            guard await session.server() == record.journal else { return false }
        }
        return true
    }
}
