import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// A connection that one branch has to itself until it has voted.
///
/// It is lent clean, and given back clean or closed.
@LoopActor
final class WorkingSession: BranchSession {
    let participant: PostgresParticipant
    let connection: PostgresConnection
    nonisolated let participantVersion: Int?
    /// Whether the branch will be prepared, and so counts as one that may hold a slot.
    private let wantsSlot: Bool
    /// The branch's name, and what it runs, since its work began.
    private(set) var gid: String?
    private(set) var statements: [Statement] = []
    private(set) var isWorking = false
    private(set) var wasCancelled = false
    /// Why it waits for ever, or did a moment ago; see `note`.
    var blockedByItself: BranchFailure?
    /// Whether it was cancelled for that.
    var isRefused = false
    /// Whether the server has answered all that was sent.
    var isAnswered = false
    private var processID: Int32?
    private var isOver = false
    /// Whether nothing of the branch is left in the session.
    var isClean = true
    /// Whether nothing will be left when what the session holds has ended.
    var endsClean = false
    /// The transaction that the caller's own code has, while it has it.
    private(set) var interactive: InteractiveBranch?

    init(participant: PostgresParticipant, connection: PostgresConnection, commitMode: CommitMode) {
        self.participant = participant
        self.connection = connection
        participantVersion = participant.facts(of: connection)?.version
        wantsSlot = commitMode == .twoPhase
        participant.forgetOutdatedStatements(of: connection)
        if wantsSlot { participant.slots.reserve() }
    }

    /// Does the work and prepares it; the vote is the command tag.
    func work(_ order: WorkRequest) async -> WorkReport {
        guard let facts = participant.facts(of: connection), !wasCancelled else {
            return close(
                WorkReport(
                    reply: .refused, results: [],
                    failure: BranchFailure(wasCancelled ? .cancelled : .connectionLost),
                    session: nil), order)
        }
        isWorking = true
        isClean = false
        gid = order.gid
        processID = facts.identity.processID
        participant.lockWatch.begin(self, facts.identity.processID)
        if wantsSlot { participant.slots.begin(order.gid) }
        switch order.work {
        case .statements(let inspected):
            statements = inspected.map(\.statement)
            return await run(inspected, order, facts)
        case .interactive(let work): return await run(work, order, facts)
        }
    }

    /// Everything from BEGIN to PREPARE in one round trip.
    private func run(
        _ statements: [InspectedStatement], _ order: WorkRequest, _ facts: SessionFacts
    ) async -> WorkReport {
        let plan = WorkPlan(
            statements, order, hasWitness: participant.options.hasWitness)
        do {
            let replies = try await replies(to: plan)
            // Were the session lost with the question, nobody would know how to read the results.
            let types = WorkPlan.haveCompleted(replies) ? plan.userDefinedTypes(replies) : []
            let arrays = types.isEmpty ? [:] : try await connection.arrayTypes(types)
            return await settle(report(plan, replies, facts, arrays), order)
        } catch {
            // Something was sent, so a PREPARE may have run or may yet run.
            return close(lost(facts), order)
        }
    }

    /// Reads the replies of a work that is whole.
    private func report(
        _ plan: WorkPlan, _ replies: [CommandReply], _ facts: SessionFacts,
        _ arrays: [UInt32: ArrayType] = [:]
    ) -> WorkReport {
        let report = explain(plan.report(replies, facts: facts, arrays: arrays))
        endsClean = plan.leavesClean(replies, facts: facts)
        // What was refused may have been rolled back, and its session reset, by now.
        isClean = isClean || endsClean && !connection.isInTransaction
        return report
    }

    private func lost(_ facts: SessionFacts) -> WorkReport {
        let failure = BranchFailure(wasCancelled ? .cancelled : .connectionLost)
        return WorkReport(reply: .lost, results: [], failure: failure, session: facts.identity)
    }

    /// The caller's own code, then evidence and PREPARE in one round trip.
    private func run(
        _ work: InteractiveWork, _ order: WorkRequest, _ facts: SessionFacts
    ) async -> WorkReport {
        let branch = InteractiveBranch(
            connection,
            limits: ResultLimits(
                rows: participant.options.resultRowsMax, bytes: participant.options.resultBytesMax),
            order: order, adjustments: facts.adjustments)
        interactive = branch
        let commitMode = await branch.run(work)
        interactive = nil
        if let failure = branch.refusal(after: commitMode) {
            await rollBack()
            if await branch.metOutdatedStatement() { participant.outdateStatements() }
            // Nothing can be prepared, since no PREPARE was sent. But a statement may still run in
            // there, with its locks: such a session is ended before the branch counts as ended.
            let isAtWork = !connection.isOpen || connection.transactionStatus == .active
            if isAtWork { connection.close() }
            return close(
                WorkReport(
                    reply: isAtWork ? .lost : .refused, results: [], failure: failure,
                    session: facts.identity), order)
        }
        let plan = WorkPlan(
            closing: order, hasBegun: branch.begun != nil,
            hasWitness: participant.options.hasWitness)
        do {
            let replies = try await connection.execute([plan.commands])
            let begun = branch.begun.map { [$0] } ?? []
            return await settle(report(plan, begun + replies[0], facts), order)
        } catch {
            return close(lost(facts), order)
        }
    }

    /// Holds what is to be held, and rolls back what was refused and is still open.
    private func settle(_ report: WorkReport, _ order: WorkRequest) async -> WorkReport {
        switch report.reply {
        case .held where !wasCancelled && !isRefused:
            isWorking = false
            return report
        case .ready where !wasCancelled && !isRefused:
            if order.commitMode == .onePhase, !(await participant.writesThrough()) {
                return await refuse(report, BranchFailure(.notDurable), order)
            }
            guard !wasCancelled, !isRefused else { return await refuse(report, stopped, order) }
            isWorking = false
            return report
        case .held, .ready:
            return await refuse(report, stopped, order)
        case .prepared, .preparedAgainstVote, .refused, .lost:
            await rollBack()
            return close(report, order)
        }
    }

    /// Why the work was to stop.
    private var stopped: BranchFailure {
        wasCancelled ? BranchFailure(.cancelled) : blockedByItself ?? BranchFailure(.cancelled)
    }

    private func refuse(
        _ report: WorkReport, _ failure: BranchFailure, _ order: WorkRequest
    ) async -> WorkReport {
        await rollBack()
        return close(
            WorkReport(
                reply: .refused, results: report.results, failure: failure,
                session: report.session), order)
    }

    /// Leaves no transaction open, and the session as it was lent; not while a statement runs in it.
    func rollBack() async {
        guard connection.isOpen, connection.transactionStatus != .active, !isClean else { return }
        let rollback = connection.isInTransaction ? [Command("ROLLBACK")] : []
        let replies = try? await connection.execute(
            [rollback + WorkPlan.reset], timeout: .seconds(5))
        isClean = replies.map { WorkPlan.haveCompleted($0[0]) } ?? false
    }

    private func close(_ report: WorkReport, _ order: WorkRequest) -> WorkReport {
        isWorking = false
        switch report.reply {
        case .refused, .held, .ready: break
        case .prepared, .preparedAgainstVote, .lost:
            if wantsSlot { participant.slots.hold(order.gid) }
        }
        giveBack()
        if report.failure?.kind == .slotsExhausted { participant.noteSlotsExhausted() }
        return report
    }

    /// Asks PostgreSQL to stop.
    ///
    /// If it does not within two seconds, or the caller's code does not, the connection is cut, which
    /// makes the vote `lost`, and the fence ends the backend.
    func cancel() async {
        guard !isOver, !wasCancelled else { return }
        wasCancelled = true
        guard isWorking else { return }
        interactive?.cancel()
        _ = EventLoop.shared.schedule(after: .seconds(2)) { [weak self] in
            guard let self, self.isWorking else { return }
            self.connection.close()
            self.interactive?.abandon()
        }
        await connection.requestCancel()
    }

    func release() async { giveBack() }

    /// A cancel request may still be on its way to the backend, where it would hit whoever works
    /// there next: such a connection is not used again, and neither is one that is not clean.
    func giveBack() {
        guard !isOver else { return }
        isOver = true
        if let processID { participant.lockWatch.end(processID) }
        if wantsSlot { participant.slots.giveBack(gid) }
        if wasCancelled || isRefused || !isClean || !connection.isOpen || connection.isInTransaction
        {
            participant.workers.discard(connection)
        } else {
            participant.workers.giveBack(connection)
        }
    }
}
