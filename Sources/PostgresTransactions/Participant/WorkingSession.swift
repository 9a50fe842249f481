import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// A connection that one branch has to itself until it has voted, or until it has ended if it is not
/// prepared.
///
/// It is lent clean, and given back clean or closed.
@LoopActor
final class WorkingSession: BranchSession, WatchedSession {
    let participant: PostgresParticipant
    let connection: PostgresConnection
    /// What was known of the session when it was lent; nil if it was lost by then.
    let session: OpenSession?
    nonisolated let participantVersion: Int?
    private let commitMode: CommitMode
    /// What it was lent for.
    let request: SessionRequest
    /// Whether the branch passed a gate when it got the session.
    let isGated: Bool
    /// The gates that it is inside of, until it has voted.
    private var gates: [RowGate]
    /// Whether it counts among the sessions of contended transactions; see `ContendedSessions`.
    private var isContended: Bool
    /// Whether the branch will be prepared, and so counts as one that may hold a slot.
    private var needsSlot: Bool { commitMode == .twoPhase }
    /// The branch's name and its statements, since its work began.
    private(set) var gid: String?
    private(set) var age: GlobalTransactionID?
    private(set) var statements: [InspectedStatement] = []
    /// The settings that are made in the session before BEGIN, and undone before the vote.
    private(set) var adjustments: [Command] = []
    /// Whether the branch has settings that other branches of the session must not have.
    private var hasOwnSettings = false
    private(set) var isWorking = false
    private(set) var wasCancelled = false
    /// Why it waits for ever, or did a moment ago; see `note`.
    var endlessWait: BranchFailure?
    /// Whether it was cancelled for that.
    var isRefused = false
    var isStopped: Bool { wasCancelled || isRefused }
    /// Whether the server has answered everything that was sent.
    var isAnswered = false
    var process: ServerProcess? { gid == nil ? nil : session?.process }
    var startedAt: String? { session?.facts.identity.startedAt }
    private var isOver = false
    /// Whether nothing of the branch is left in the session.
    var isClean = true
    /// Whether nothing will be left once the transaction that the session holds has ended.
    private(set) var endsClean = false
    /// The open transaction, while the caller's own code works in it.
    private(set) var interactive: InteractiveBranch?

    init(
        participant: PostgresParticipant, connection: PostgresConnection,
        for request: SessionRequest, gates: [RowGate], sharesSessions: Bool
    ) {
        self.participant = participant
        self.connection = connection
        session = connection.session
        participantVersion = session?.facts.version
        commitMode = request.commitMode
        self.request = request
        self.gates = gates
        isGated = !gates.isEmpty
        isContended = sharesSessions
        participant.forgetOutdatedStatements(of: connection)
        if needsSlot { participant.slots.reserve() }
        if isContended { participant.contendedSessions.lend() }
        for gate in gates { gate.enter() }
    }

    // MARK: The work

    /// Does the work, and prepares it or holds it; the vote is the command tag.
    ///
    /// The usual branch runs in no task: it is sent here, and its replies are read where they arrive.
    ///
    /// - Parameter completion: called once, on the loop; before this returns if the branch cannot begin.
    func work(_ request: WorkRequest, then completion: @escaping Completion<WorkReport>) {
        guard let session, connection.isOpen, !wasCancelled else {
            let failure = BranchFailure(wasCancelled ? .cancelled : .connectionLost)
            return completion(
                close(WorkReport(reply: .refused, results: [], failure: failure, session: nil)))
        }
        isWorking = true
        isClean = false
        gid = request.gid
        age = request.age
        adjustments = session.facts.adjustments
        hasOwnSettings = request.lockTimeout != nil
        if let timeout = request.lockTimeout { adjustments.append(WorkPlan.lockTimeout(timeout)) }
        participant.lockWatch.begin(self)
        switch request.work {
        case .statements(let inspected):
            statements = inspected
            let script = participant.scripts.script(
                of: inspected, request.isolation, request.commitMode)
            let plan = WorkPlan(script, inspected, gid: request.gid)
            run(plan, facts: session.facts, then: completion)
        case .interactive(let work):
            // There from now on, so that a cancel finds it.
            let branch = InteractiveBranch(
                connection, limits: limits, request: request, adjustments: adjustments)
            interactive = branch
            participant.loop.spawn { [self] in
                await run(work, in: branch, for: request, facts: session.facts, then: completion)
            }
        }
    }

    /// Everything from BEGIN to PREPARE in one round trip.
    private func run(
        _ plan: WorkPlan, facts: SessionFacts, then completion: @escaping Completion<WorkReport>
    ) {
        // Only lists, and replies that are not the usual ones, are worth a task.
        guard plan.lists.isEmpty else {
            return resume(plan, facts: facts, then: completion) { try await self.replies(to: plan) }
        }
        let before = connection.lastSegment
        send(plan) { [self] outcome in
            guard case .success(let replies) = outcome else {
                return completion(close(lost(facts)))
            }
            if WorkPlan.haveCompleted(replies), plan.userDefinedTypes(replies).isEmpty {
                return settle(report(of: plan, replies, facts: facts), then: completion)
            }
            isAnswered = true
            resume(plan, facts: facts, then: completion) {
                try await self.repliesIfOutdated(to: plan, replies, before: before)
            }
        }
    }

    /// Reads replies that take more round trips.
    private func resume(
        _ plan: WorkPlan, facts: SessionFacts, then completion: @escaping Completion<WorkReport>,
        replies: @escaping @LoopActor () async throws -> [CommandReply]
    ) {
        participant.loop.spawn { [self] in
            do {
                let replies = try await replies()
                // If the session is lost here, the results cannot be read, so the vote is `lost` although
                // PREPARE has run.
                let types = WorkPlan.haveCompleted(replies) ? plan.userDefinedTypes(replies) : []
                let arrays = types.isEmpty ? [:] : try await connection.arrayTypes(types)
                settle(
                    report(of: plan, replies, facts: facts, arrays: arrays), then: completion)
            } catch {
                // Something was sent, so a PREPARE may have run or may yet run.
                completion(close(lost(facts)))
            }
        }
    }

    /// Reads the replies of the whole branch.
    private func report(
        of plan: WorkPlan, _ replies: [CommandReply], facts: SessionFacts,
        arrays: [UInt32: ArrayType] = [:]
    ) -> WorkReport {
        let (report, leavesSessionClean) = plan.report(replies, facts: facts, arrays: arrays)
        // A branch that is held was reset within its transaction: a ROLLBACK undoes that, too.
        endsClean = leavesSessionClean && (commitMode == .twoPhase || !hasOwnSettings)
        // A branch that was refused may have been rolled back, and its session reset, by now.
        isClean = isClean || endsClean && !connection.isInTransaction
        return explain(report)
    }

    private func lost(_ facts: SessionFacts) -> WorkReport {
        let failure = BranchFailure(wasCancelled ? .cancelled : .connectionLost)
        return WorkReport(reply: .lost, results: [], failure: failure, session: facts.identity)
    }

    /// The caller's own code, then proof and PREPARE in one round trip.
    private func run(
        _ work: InteractiveWork, in branch: InteractiveBranch, for request: WorkRequest,
        facts: SessionFacts, then completion: @escaping Completion<WorkReport>
    ) async {
        let end = await branch.run(work)
        interactive = nil
        if let failure = branch.refusal(after: end) {
            await rollBack()
            if await branch.metOutdatedStatement() { participant.outdateStatements() }
            // No PREPARE was sent, so nothing can be prepared. But a statement may still run, and hold
            // locks: the fence ends such a session before the branch counts as ended.
            let isAtWork = !connection.isOpen || connection.transactionStatus == .active
            if isAtWork { connection.close() }
            return completion(
                close(
                    WorkReport(
                        reply: isAtWork ? .lost : .refused, results: [], failure: failure,
                        session: facts.identity)))
        }
        let plan = WorkPlan(
            BranchScript(
                closing: request.commitMode, request.isolation, hasBegun: branch.begun != nil,
                hasWitness: participant.options.hasWitness), gid: request.gid)
        connection.execute([plan.commands]) { [self] outcome in
            guard case .success(let replies) = outcome else {
                return completion(close(lost(facts)))
            }
            let begun = branch.begun.map { [$0] } ?? []
            settle(report(of: plan, begun + replies[0], facts: facts), then: completion)
        }
    }

    /// Keeps a branch open that is to be held, and rolls back one that was refused and is still open.
    private func settle(
        _ report: WorkReport, then completion: @escaping Completion<WorkReport>
    ) {
        switch report.reply {
        case .held, .ready:
            if isStopped { return refuse(report, stopped, then: completion) }
            if commitMode == .onePhase { return makeDurable(report, then: completion) }
            hold(report, then: completion)
        case .prepared, .preparedAgainstVote, .refused, .lost:
            guard hasToRollBack else { return completion(close(report)) }
            rollBack { [self] in completion(close(report)) }
        }
    }

    /// Makes sure that the transaction id of a one-phase branch is on disk.
    private func makeDurable(
        _ report: WorkReport, then completion: @escaping Completion<WorkReport>
    ) {
        participant.loop.spawn { [self] in
            let isDurable = await participant.writesThrough()
            guard isDurable, !isStopped else {
                let failure = isDurable ? stopped : BranchFailure(.notDurable)
                return refuse(report, failure, then: completion)
            }
            hold(report, then: completion)
        }
    }

    /// The work has ended well, and its transaction stays open until the decision.
    private func hold(
        _ report: WorkReport, then completion: @escaping Completion<WorkReport>
    ) {
        isWorking = false
        leaveGates()
        completion(report)
    }

    /// Why the work was stopped.
    private var stopped: BranchFailure {
        wasCancelled ? BranchFailure(.cancelled) : endlessWait ?? BranchFailure(.cancelled)
    }

    private func refuse(
        _ report: WorkReport, _ failure: BranchFailure,
        then completion: @escaping Completion<WorkReport>
    ) {
        let refusal = WorkReport(
            reply: .refused, results: report.results, failure: failure, session: report.session)
        rollBack { [self] in completion(close(refusal)) }
    }

    private var hasToRollBack: Bool {
        !isClean && connection.isOpen && connection.transactionStatus != .active
    }

    /// Rolls back and cleans the session, unless a statement runs in it or nothing is left in it.
    func rollBack(then completion: @escaping @LoopActor () -> Void) {
        guard hasToRollBack else { return completion() }
        let rollback = connection.isInTransaction ? [Self.rollback] : []
        connection.execute([rollback + WorkPlan.reset], timeout: .seconds(5)) { [self] outcome in
            let replies = try? outcome.get()
            isClean = replies.map { WorkPlan.haveCompleted($0[0]) } ?? false
            completion()
        }
    }

    func rollBack() async {
        await withCheckedContinuation { done in rollBack { done.resume() } }
    }

    private func close(_ report: WorkReport) -> WorkReport {
        isWorking = false
        switch report.reply {
        case .refused, .held, .ready: break
        case .prepared, .preparedAgainstVote, .lost:
            if needsSlot, let gid { participant.slots.hold(gid, for: request) }
        }
        giveBack()
        if report.failure?.kind == .slotsExhausted { participant.noteSlotsExhausted() }
        return report
    }

    // MARK: Its return

    /// The server at the other end.
    var server: ServerTimeline? { connection.isOpen ? session?.server : nil }

    /// Asks PostgreSQL to cancel the work.
    ///
    /// If the work, or the caller's code, does not stop within two seconds, the connection is closed: that
    /// makes the vote `lost`, and the fence ends the backend.
    func cancel() {
        guard !isOver, !wasCancelled else { return }
        wasCancelled = true
        guard isWorking else { return }
        interactive?.cancel()
        participant.loop.schedule(after: .seconds(2)) { [weak self] in
            guard let self, self.isWorking else { return }
            self.connection.close()
            self.interactive?.abandon()
        }
        connection.requestCancel {}
    }

    func release() { giveBack() }

    /// Gives the connection back if it is clean, and closes it otherwise.
    ///
    /// After a cancel it is always closed: the request may still be on its way to the backend, where it
    /// would hit the next branch.
    func giveBack() {
        guard !isOver else { return }
        isOver = true
        if gid != nil { participant.lockWatch.end(self) }
        if needsSlot { participant.slots.giveBack() }
        if isContended { participant.contendedSessions.giveBack() }
        if isStopped || !isClean || !connection.isOpen || connection.isInTransaction {
            participant.workers.discard(connection)
        } else {
            participant.workers.giveBack(connection)
        }
        // An idle connection has served those that wait by now.
        if isContended, !connection.isOpen { participant.onRoomForContended?() }
        leaveGates()
    }

    /// Lets the next transaction work on the rows: this branch has voted, or will not work any more.
    private func leaveGates() {
        let left = gates
        gates = []
        for gate in left {
            gate.leave()
            if gate.isOpen { participant.onOpenGate?(gate) }
        }
    }

    /// Counts it among the sessions of contended transactions: it passed a gate, and still waits for long.
    ///
    /// Otherwise many rows that other programs keep locked could each have a session that waits, until
    /// none is left.
    func countAsContended() {
        guard isGated, !isContended, !isOver else { return }
        isContended = true
        participant.contendedSessions.lend()
    }
}
