/// The coordinator of one global transaction: events in, steps out; no clock, no input, no output.
///
/// The production engine and the simulator run this very code. Every rule of `docs/PROTOCOL.md`
/// about one transaction is here and nowhere else.
///
/// Where the decision is made is its *register*. It is the row, unless one branch is the register
/// (`CommitMode.isCommitPoint`): then the row holds a copy, which is written after the fact and only ever
/// says what the register said.
public struct TransactionMachine: Hashable, Sendable {
    /// Where the transaction stands.
    ///
    /// Each case names where it can go.
    public enum Phase: Hashable, Sendable {
        /// Nothing happened yet. To `preparing`, or by adoption to `deciding`, `asking` or
        /// `finishing`.
        case idle
        /// Branches work. `isAccepted`: the row is durable. `abort`: an abort that waits for the
        /// row, because there is nothing yet that could hold it. To `deciding`, `delegating`,
        /// `committingLocally`, `asking`, `withdrawing`.
        case preparing(isAccepted: Bool, abort: AbortCause?)
        /// A decision was asked of the row and is not known to be durable. To `finishing` of the
        /// decision that the log answers, whichever it is; to `asking` if a register decides.
        case deciding(Decision, viaTombstone: Bool)
        /// The row is being told that the one writing branch decides. To `committingLocally`, or to
        /// `finishing` if the row was decided before.
        case delegating
        /// The register was told to commit, and has not answered. To `finishing`, `copying` of an
        /// abort, or `asking`.
        case committingLocally
        /// What the register holds is being asked; where it holds nothing, it is made to hold abort.
        /// Not begun while the register still works. To `copying` or `undecidable`.
        case queryingCommitPoint(isAccepted: Bool)
        /// The register has decided; the row is being made to say so. To `finishing`.
        case copying(Decision, isAccepted: Bool)
        /// The decision is durable; branches are being ended. To `ended`.
        case finishing(Decision)
        /// No row exists, nor ever will: what was prepared is rolled back. To `withdrawn`.
        case withdrawing
        /// Every branch has ended.
        case ended(Decision)
        /// Nothing of it is left anywhere.
        case withdrawn
        /// The register is gone or changed, and nothing proves what it held: an operator decides.
        case undecidable
    }

    /// The transaction.
    public let transaction: GlobalTransactionID
    /// Where the transaction stands.
    public internal(set) var phase: Phase = .idle
    /// The branches, by number.
    public internal(set) var branches: [Branch]
    /// Why it aborts, once it does.
    public internal(set) var cause: AbortCause?
    /// Whether the caller is answered as soon as a commit is durable.
    ///
    /// It counts when the decision is learnt. Until then the shell may change its mind, as when too
    /// many have been answered and are not finished.
    public var repliesAtDecision: Bool
    /// The branch that decides, if it is not the row.
    public let commitPoint: Int?
    /// How often the log or the register could not say what was decided.
    var decisionRetries = 0
    /// Whether the caller has been answered.
    var hasReplied = false
    /// Whether the bound from decision to answer has been started.
    var isFinishWaitArmed = false
    /// How many heuristic outcomes the row was told of.
    var notedCount = 0

    /// A transaction of branches that end in these ways, at least one.
    ///
    /// At most one is the register; beside a `onePhase` branch all are `readOnly`.
    public init(
        transaction: GlobalTransactionID, commitModes: [CommitMode], repliesAtDecision: Bool = false
    ) {
        precondition(!commitModes.isEmpty, "a transaction has at least one branch")
        precondition(commitModes.count(where: \.isCommitPoint) <= 1, "one branch decides at most")
        precondition(
            !commitModes.contains(.onePhase) || commitModes.count { $0 != .readOnly } == 1,
            "a one-phase branch is the only one that writes")
        self.transaction = transaction
        self.repliesAtDecision = repliesAtDecision
        commitPoint = commitModes.firstIndex(where: \.isCommitPoint)
        branches = commitModes.map { Branch(commitMode: $0) }
    }

    /// A transaction of this many branches, at least one, which are all prepared.
    public init(transaction: GlobalTransactionID, branchCount: Int) {
        self.init(
            transaction: transaction, commitModes: Array(repeating: .twoPhase, count: branchCount))
    }

    /// What a caller is shown.
    public var state: TransactionState {
        switch phase {
        case .idle: .active
        case .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint:
            .preparing
        case .finishing where hasHeuristicOutcome: .needsOperator
        case .copying(.commit, _), .finishing(.commit): .committing
        case .copying(.abort, _), .finishing(.abort), .withdrawing: .aborting
        case .withdrawn: endState(.abort)
        case .ended(let decision): endState(decision)
        case .undecidable: .needsOperator
        }
    }

    /// Whether some branch ended against the decision, or nothing proves how it ended.
    ///
    /// That is so from the first such branch on, whether or not the others can be ended.
    public var hasHeuristicOutcome: Bool { heuristicCount > 0 }

    var heuristicCount: Int { branches.count { $0.outcome?.isAsDecided == false } }

    /// A branch that ended against the decision is never hidden, even where no row exists or where
    /// the row itself said so.
    private func endState(_ decision: Decision) -> TransactionState {
        let asDecided: Outcome = decision == .commit ? .committed : .rolledBack
        guard branches.allSatisfy({ $0.outcome == asDecided }) else { return .needsOperator }
        return decision == .commit ? .committed : .aborted
    }

    /// The decision, once it is durable in its register.
    public var decision: Decision? {
        switch phase {
        case .copying(let decision, _), .finishing(let decision), .ended(let decision): decision
        case .idle, .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint,
            .withdrawing,
            .withdrawn, .undecidable:
            nil
        }
    }

    /// Whether a decision was asked for and the answer is not here: it may be durable already, and
    /// others may have read it, so that "undecided" may be said no more.
    public var awaitsDecision: Bool {
        switch phase {
        case .deciding, .delegating, .committingLocally, .queryingCommitPoint: true
        case .idle, .preparing, .copying, .finishing, .ended, .withdrawing, .withdrawn,
            .undecidable:
            false
        }
    }

    /// Whether the row is known to be durable, so that the id may be told.
    public var isAccepted: Bool {
        switch phase {
        case .idle, .withdrawing, .withdrawn, .preparing(isAccepted: false, _),
            .deciding(_, viaTombstone: true), .queryingCommitPoint(isAccepted: false),
            .copying(_, isAccepted: false):
            false
        case .preparing(isAccepted: true, _), .deciding(_, viaTombstone: false), .delegating,
            .committingLocally, .queryingCommitPoint(isAccepted: true),
            .copying(_, isAccepted: true), .finishing,
            .ended, .undecidable:
            true
        }
    }

    /// Takes an event and says what to do.
    ///
    /// `now` and `deadline` are milliseconds of one clock, and decide liveness only: a vote that
    /// completes after the deadline aborts.
    public mutating func handle(_ event: Event, at now: Int64, deadline: Int64) -> Step {
        var step = Step()
        switch event {
        case .begin(let order): begin(order, &step)
        case .adopt(let recovered): adopt(recovered, &step)
        case .accepted: accepted(now, deadline, &step)
        case .acceptRefused: withdraw(replying: .keyTaken, &step)
        case .acceptUnavailable: withdraw(replying: .notAccepted, &step)
        case .acceptUnknown: acceptUnknown(&step)
        case .voted(let branch, let reply): voted(branch, reply, now, deadline, &step)
        case .decided(let decision, let evidence): decided(decision, evidence, &step)
        case .decisionMissing: decisionMissing(&step)
        case .decisionUnknown: decisionUnknown(&step)
        case .delegated: delegated(&step)
        case .delegationFound(let evidence): delegationFound(evidence, &step)
        case .localCommitAnswered(let reply): localCommitAnswered(reply, &step)
        case .commitPointAnswered(let answer): commitPointAnswered(answer, &step)
        case .finished(let branch, let reply): finished(branch, reply, &step)
        case .due(let timer): due(timer, &step)
        case .rollbackRequested: abort(.requested, &step)
        }
        noteHeuristics(&step)
        return step
    }
}
