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
    nonisolated let participantVersion: Int?
    private let commitMode: CommitMode
    /// What it was lent for.
    let request: SessionRequest
    /// Whether its transaction was contended when it got the session.
    private let isContended: Bool
    /// Whether the branch will be prepared, and so counts as one that may hold a slot.
    private var needsSlot: Bool { commitMode == .twoPhase }
    /// The branch's name and its statements, since its work began.
    private(set) var gid: String?
    private(set) var age: GlobalTransactionID?
    private(set) var statements: [Statement] = []
    private(set) var isWorking = false
    private(set) var wasCancelled = false
    /// Why it waits for ever, or did a moment ago; see `note`.
    var endlessWait: BranchFailure?
    /// Whether it was cancelled for that.
    var isRefused = false
    var isStopped: Bool { wasCancelled || isRefused }
    /// Whether the server has answered everything that was sent.
    var isAnswered = false
    private(set) var identity: SessionIdentity?
    private var isOver = false
    /// Whether nothing of the branch is left in the session.
    var isClean = true
    /// Whether nothing will be left once the transaction that the session holds has ended.
    private var endsClean = false
    /// The open transaction, while the caller's own code works in it.
    private(set) var interactive: InteractiveBranch?

    init(
        participant: PostgresParticipant, connection: PostgresConnection,
        for request: SessionRequest, isContended: Bool
    ) {
        self.participant = participant
        self.connection = connection
        participantVersion = participant.facts(of: connection)?.version
        commitMode = request.commitMode
        self.request = request
        self.isContended = isContended
        participant.forgetOutdatedStatements(of: connection)
        if needsSlot { participant.slots.reserve() }
        if isContended { participant.contendedSessions.lend() }
    }

    // MARK: The work

    func work(_ request: WorkRequest, then completion: @escaping @LoopActor (WorkReport) -> Void) {
        participant.loop.spawn {
            completion(await self.work(request))
        }
    }

    /// Does the work, and prepares it or holds it; the vote is the command tag.
    private func work(_ request: WorkRequest) async -> WorkReport {
        guard let facts = participant.facts(of: connection), !wasCancelled else {
            return close(
                WorkReport(
                    reply: .refused, results: [],
                    failure: BranchFailure(wasCancelled ? .cancelled : .connectionLost),
                    session: nil))
        }
        isWorking = true
        isClean = false
        gid = request.gid
        age = request.age
        identity = facts.identity
        participant.lockWatch.begin(self, facts.identity.processID)
        if needsSlot { participant.slots.begin(request.gid) }
        switch request.work {
        case .statements(let inspected):
            statements = inspected.map(\.statement)
            return await run(inspected, for: request, facts: facts)
        case .interactive(let work): return await run(work, for: request, facts: facts)
        }
    }

    /// Everything from BEGIN to PREPARE in one round trip.
    private func run(
        _ statements: [InspectedStatement], for request: WorkRequest, facts: SessionFacts
    ) async -> WorkReport {
        let plan = WorkPlan(
            statements, request, hasWitness: participant.options.hasWitness)
        do {
            let replies = try await replies(to: plan)
            // If the session is lost here, the results cannot be read, so the vote is `lost` although
            // PREPARE has run.
            let types = WorkPlan.haveCompleted(replies) ? plan.userDefinedTypes(replies) : []
            let arrays = types.isEmpty ? [:] : try await connection.arrayTypes(types)
            return await settle(
                report(of: plan, replies, facts: facts, arrays: arrays))
        } catch {
            // Something was sent, so a PREPARE may have run or may yet run.
            return close(lost(facts))
        }
    }

    /// Reads the replies of the whole branch.
    private func report(
        of plan: WorkPlan, _ replies: [CommandReply], facts: SessionFacts,
        arrays: [UInt32: ArrayType] = [:]
    ) -> WorkReport {
        let report = explain(plan.report(replies, facts: facts, arrays: arrays))
        endsClean = plan.leavesSessionClean(replies, facts: facts)
        // A branch that was refused may have been rolled back, and its session reset, by now.
        isClean = isClean || endsClean && !connection.isInTransaction
        return report
    }

    private func lost(_ facts: SessionFacts) -> WorkReport {
        let failure = BranchFailure(wasCancelled ? .cancelled : .connectionLost)
        return WorkReport(reply: .lost, results: [], failure: failure, session: facts.identity)
    }

    /// The caller's own code, then proof and PREPARE in one round trip.
    private func run(
        _ work: InteractiveWork, for request: WorkRequest, facts: SessionFacts
    ) async -> WorkReport {
        let branch = InteractiveBranch(
            connection,
            limits: ResultLimits(
                rows: participant.options.resultRowsMax, bytes: participant.options.resultBytesMax),
            request: request, adjustments: facts.adjustments)
        interactive = branch
        let completion = await branch.run(work)
        interactive = nil
        if let failure = branch.refusal(after: completion) {
            await rollBack()
            if await branch.metOutdatedStatement() { participant.outdateStatements() }
            // No PREPARE was sent, so nothing can be prepared. But a statement may still run, and hold
            // locks: the fence ends such a session before the branch counts as ended.
            let isAtWork = !connection.isOpen || connection.transactionStatus == .active
            if isAtWork { connection.close() }
            return close(
                WorkReport(
                    reply: isAtWork ? .lost : .refused, results: [], failure: failure,
                    session: facts.identity))
        }
        let plan = WorkPlan(
            closing: request, hasBegun: branch.begun != nil,
            hasWitness: participant.options.hasWitness)
        do {
            let replies = try await connection.execute([plan.commands])
            let begun = branch.begun.map { [$0] } ?? []
            return await settle(report(of: plan, begun + replies[0], facts: facts))
        } catch {
            return close(lost(facts))
        }
    }

    /// Keeps a branch open that is to be held, and rolls back one that was refused and is still open.
    private func settle(_ report: WorkReport) async -> WorkReport {
        switch report.reply {
        case .held where !isStopped:
            isWorking = false
            return report
        case .ready where !isStopped:
            if commitMode == .onePhase, !(await participant.writesThrough()) {
                return await refuse(report, BranchFailure(.notDurable))
            }
            guard !isStopped else { return await refuse(report, stopped) }
            isWorking = false
            return report
        case .held, .ready:
            return await refuse(report, stopped)
        case .prepared, .preparedAgainstVote, .refused, .lost:
            await rollBack()
            return close(report)
        }
    }

    /// Why the work was stopped.
    private var stopped: BranchFailure {
        wasCancelled ? BranchFailure(.cancelled) : endlessWait ?? BranchFailure(.cancelled)
    }

    private func refuse(_ report: WorkReport, _ failure: BranchFailure) async -> WorkReport {
        await rollBack()
        return close(
            WorkReport(
                reply: .refused, results: report.results, failure: failure,
                session: report.session))
    }

    /// Rolls back and cleans the session, unless a statement runs in it.
    func rollBack() async {
        guard connection.isOpen, connection.transactionStatus != .active, !isClean else { return }
        let rollback = connection.isInTransaction ? [Command("ROLLBACK")] : []
        let replies = try? await connection.execute(
            [rollback + WorkPlan.reset], timeout: .seconds(5))
        isClean = replies.map { WorkPlan.haveCompleted($0[0]) } ?? false
    }

    private func close(_ report: WorkReport) -> WorkReport {
        isWorking = false
        switch report.reply {
        case .refused, .held, .ready: break
        case .prepared, .preparedAgainstVote, .lost:
            if needsSlot, let gid { participant.slots.hold(gid) }
        }
        giveBack()
        if report.failure?.kind == .slotsExhausted { participant.noteSlotsExhausted() }
        return report
    }

    // MARK: The transaction that it holds

    /// The server at the other end.
    var server: ServerTimeline? { participant.facts(of: connection)?.server }

    func commit(
        _ entry: JournalEntry?, then completion: @escaping @LoopActor (LocalCommitReport) -> Void
    ) {
        participant.loop.spawn {
            completion(await self.commit(entry))
        }
    }

    /// Commits the commit point's transaction, once: if the reply is lost, its outcome is asked for later.
    ///
    /// Deferred code has run, and the role is ours again, since the work ended. Cursors that the caller's
    /// SQL holds would run within COMMIT, so they are closed. `synchronous_commit` is set last of all.
    private func commit(_ entry: JournalEntry?) async -> LocalCommitReport {
        guard connection.isOpen, connection.transactionStatus == .inTransaction else {
            giveBack()
            return LocalCommitReport(.unknown)
        }
        var commands = endsClean ? [] : [WorkPlan.closingCursors]
        if let entry {
            commands.append(Journal.decide(.commit, entry, installation: participant.installation))
        } else {
            commands.append(Self.synchronous)
        }
        commands.append(Command("COMMIT"))
        let report: LocalCommitReport
        do {
            let replies = try await connection.execute(
                [commands] + cleaning, timeout: .seconds(60))
            report = Self.localCommit(replies[0])
            isClean = hasCleaned(replies)
        } catch {
            report = LocalCommitReport(.unknown)
        }
        switch report.reply {
        case .committed: break
        case .rolledBack: await rollBack()
        case .unknown: connection.close()
        }
        giveBack()
        return report
    }

    private static let synchronous = Command(
        "SELECT pg_catalog.set_config('synchronous_commit', 'on', true)")

    /// Commands after the end, in a transaction of their own, if the session is not clean by then.
    private var cleaning: [[Command]] {
        endsClean ? [] : [WorkPlan.reset + WorkPlan.remains]
    }

    /// Whether the session is clean after an end that was sent with `cleaning`.
    private func hasCleaned(_ replies: [[CommandReply]]) -> Bool {
        WorkPlan.haveCompleted(endsClean ? replies[0] : replies[1])
    }

    private static func localCommit(_ replies: [CommandReply]) -> LocalCommitReport {
        for (index, reply) in replies.enumerated() {
            guard case .failed(let message) = reply else { continue }
            // A backend that is ended inside COMMIT may have committed.
            if message.endsSession { return LocalCommitReport(.unknown) }
            // The commands before COMMIT are our own, and run none of the caller's code.
            let kind =
                index == replies.count - 1 ? BranchFailure.Kind(ofCommit: message) : .commit
            return LocalCommitReport(
                .rolledBack,
                failure: BranchFailure(kind, report: BranchFailure.ServerReport(message)))
        }
        guard case .completed(let commit)? = replies.last else {
            return LocalCommitReport(.unknown)
        }
        switch commit.tag {
        case "COMMIT":
            // A cancelled wait for a standby is a success with a warning: it is committed, and
            // perhaps not yet on the standby.
            return LocalCommitReport(commit.isUnconfirmed ? .unknown : .committed)
        case "ROLLBACK":
            return LocalCommitReport(.rolledBack, failure: BranchFailure(.commit))
        default:
            return LocalCommitReport(.unknown)
        }
    }

    func finish(
        _ decision: Decision, then completion: @escaping @LoopActor (FinishReport) -> Void
    ) {
        participant.loop.spawn {
            completion(await self.finish(decision))
        }
    }

    /// Ends the transaction that the session holds.
    ///
    /// A COMMIT that PostgreSQL refuses has ended it as well; a branch that only reads loses nothing by
    /// that.
    private func finish(_ decision: Decision) async -> FinishReport {
        guard connection.isOpen, connection.transactionStatus != .active else {
            connection.close()
            giveBack()
            return FinishReport(.tryAgain, error: "its session was lost")
        }
        do {
            let verb = decision == .commit ? "COMMIT" : "ROLLBACK"
            let replies = try await connection.execute(
                [[Command(verb)]] + cleaning, timeout: .seconds(30))
            let hasEnded = connection.isOpen && !connection.isInTransaction
            if !hasEnded { connection.close() }
            isClean = hasCleaned(replies)
            giveBack()
            guard hasEnded else { return FinishReport(.tryAgain, error: "its session was lost") }
            return FinishReport(.done, error: replies[0][0].error?.message)
        } catch {
            connection.close()
            giveBack()
            return FinishReport(.tryAgain, error: "\(error)")
        }
    }

    // MARK: Its return

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
        Task(executorPreference: participant.loop) { await self.connection.requestCancel() }
    }

    func release() { giveBack() }

    /// Gives the connection back if it is clean, and closes it otherwise.
    ///
    /// After a cancel it is always closed: the request may still be on its way to the backend, where it
    /// would hit the next branch.
    private func giveBack() {
        guard !isOver else { return }
        isOver = true
        if let identity { participant.lockWatch.end(identity.processID) }
        if needsSlot { participant.slots.giveBack(gid) }
        if isContended { participant.contendedSessions.giveBack() }
        if isStopped || !isClean || !connection.isOpen || connection.isInTransaction {
            participant.workers.discard(connection)
        } else {
            participant.workers.giveBack(connection)
        }
        // An idle connection has served those that wait by now.
        if isContended, !connection.isOpen { participant.onRoomForContended?() }
    }
}
