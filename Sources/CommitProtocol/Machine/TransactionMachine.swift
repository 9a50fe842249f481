/// The protocol of one global transaction: events in, steps out, without a clock, input or output.
///
/// The engine and the simulator run this same code. It implements every rule of `docs/PROTOCOL.md`
/// about one transaction.
///
/// The decision is made at the *commit point*. That is the row, unless one branch is the commit point
/// (`CommitMode.isCommitPoint`). Then the row holds a copy, written afterwards, which never differs.
package struct TransactionMachine: Hashable, Sendable {
    /// The phase of a transaction; each case names its next cases.
    package enum Phase: Hashable, Sendable {
        /// Nothing happened yet. Next: `preparing`, or by adoption `deciding`,
        /// `queryingCommitPoint` or `finishing`.
        case idle
        /// Branches work. `isAccepted`: the row is durable. `abort`: an abort that waits for the
        /// row, since nothing can record it yet. Next: `deciding`, `delegating`,
        /// `committingLocally`, `queryingCommitPoint`, `withdrawing`.
        case preparing(isAccepted: Bool, abort: AbortCause?)
        /// The row was asked to record a decision and has not confirmed one. Next: `finishing` with
        /// the decision in the row, whichever it is; `queryingCommitPoint` if a branch decides.
        case deciding(Decision, viaTombstone: Bool)
        /// The row was asked to record that the one-phase branch decides. Next:
        /// `committingLocally`; `finishing` if the row was decided before; `deciding` an abort by
        /// tombstone if there is no row.
        case delegating
        /// The commit point's COMMIT was sent and not answered. Next: `finishing`, `copying` of an
        /// abort, or `queryingCommitPoint`.
        case committingLocally
        /// The commit point is asked for its decision, and records abort if it has none. The query
        /// waits while the commit point's branch works. Next: `copying` or `undecidable`.
        case queryingCommitPoint(isAccepted: Bool)
        /// The commit point has decided; the row is recording a copy. Next: `finishing`.
        case copying(Decision, isAccepted: Bool)
        /// The decision is durable, and branches are finishing. Next: `finished`.
        case finishing(Decision)
        /// No row exists or will exist; prepared branches are rolled back. Next: `withdrawn`.
        case withdrawing
        /// Every branch has finished.
        case finished(Decision)
        /// Nothing of the transaction is left.
        case withdrawn
        /// The commit point is lost, and nothing proves its decision: an operator decides.
        case undecidable
    }

    /// The transaction's id.
    package let transaction: GlobalTransactionID
    /// The transaction's phase.
    package internal(set) var phase: Phase = .idle
    /// The branches, by number.
    package internal(set) var branches: [Branch]
    /// Why the transaction aborts, if it does.
    package internal(set) var cause: AbortCause?
    /// Whether to reply to the caller as soon as a commit is durable.
    ///
    /// It takes effect when the decision arrives. Until then the engine may change it, for example if
    /// too many transactions have replied and not finished.
    package var repliesAtDecision: Bool
    /// The branch that is the commit point; nil if the row is.
    package let commitPoint: Int?
    /// How often the log or the commit point did not answer with a decision.
    var decisionRetries = 0
    /// Whether a step has replied to the caller.
    var hasReplied = false
    /// Whether the `finishWait` timer was started.
    var isFinishWaitArmed = false
    /// How many heuristic outcomes were sent to the row.
    var notedCount = 0

    /// Makes a transaction with a branch for each commit mode, at least one.
    ///
    /// At most one is a commit point. If one is `onePhase`, all others are `readOnly`.
    package init(
        transaction: GlobalTransactionID, commitModes: [CommitMode], repliesAtDecision: Bool = false
    ) {
        precondition(!commitModes.isEmpty, "a transaction has at least one branch")
        precondition(
            commitModes.count(where: \.isCommitPoint) <= 1,
            "at most one branch is the commit point")
        precondition(
            !commitModes.contains(.onePhase) || commitModes.count { $0 != .readOnly } == 1,
            "a one-phase branch is the only one that writes")
        self.transaction = transaction
        self.repliesAtDecision = repliesAtDecision
        commitPoint = commitModes.firstIndex(where: \.isCommitPoint)
        branches = commitModes.map { Branch(commitMode: $0) }
    }

    /// Makes a transaction with this many branches, at least one, that all use two-phase commit.
    package init(transaction: GlobalTransactionID, branchCount: Int) {
        self.init(
            transaction: transaction, commitModes: Array(repeating: .twoPhase, count: branchCount))
    }

    /// The state that callers see.
    package var state: TransactionState {
        switch phase {
        case .idle: .active
        case .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint:
            .preparing
        case .finishing where hasHeuristicOutcome: .needsOperator
        case .copying(.commit, _), .finishing(.commit): .committing
        case .copying(.abort, _), .finishing(.abort), .withdrawing: .aborting
        case .withdrawn: finalState(.abort)
        case .finished(let decision): finalState(decision)
        case .undecidable: .needsOperator
        }
    }

    /// Whether a branch was finished against the decision, or nothing proves how it was finished.
    package var hasHeuristicOutcome: Bool { heuristicCount > 0 }

    var heuristicCount: Int { branches.count { $0.outcome?.isAsDecided == false } }

    /// Never hides a branch that ended against the decision, even if there is no row.
    private func finalState(_ decision: Decision) -> TransactionState {
        let asDecided: Outcome = decision == .commit ? .committed : .rolledBack
        guard branches.allSatisfy({ $0.outcome == asDecided }) else { return .needsOperator }
        return decision == .commit ? .committed : .aborted
    }

    /// The decision, once it is durable at the commit point.
    package var decision: Decision? {
        switch phase {
        case .copying(let decision, _), .finishing(let decision), .finished(let decision): decision
        case .idle, .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint,
            .withdrawing, .withdrawn, .undecidable:
            nil
        }
    }

    /// Whether a decision was requested and has not arrived.
    ///
    /// It may be durable and read by others already, so "undecided" may no longer be reported.
    package var awaitsDecision: Bool {
        switch phase {
        case .deciding, .delegating, .committingLocally, .queryingCommitPoint: true
        case .idle, .preparing, .copying, .finishing, .finished, .withdrawing, .withdrawn,
            .undecidable:
            false
        }
    }

    /// Whether the row is known to be durable, so that the caller may learn the id.
    package var isAccepted: Bool {
        switch phase {
        case .idle, .withdrawing, .withdrawn, .preparing(isAccepted: false, _),
            .deciding(_, viaTombstone: true), .queryingCommitPoint(isAccepted: false),
            .copying(_, isAccepted: false):
            false
        case .preparing(isAccepted: true, _), .deciding(_, viaTombstone: false), .delegating,
            .committingLocally, .queryingCommitPoint(isAccepted: true),
            .copying(_, isAccepted: true), .finishing,
            .finished, .undecidable:
            true
        }
    }

    /// Handles an event and returns what to do.
    ///
    /// `now` and `deadline` are milliseconds of one clock. They affect liveness only: a vote that
    /// completes after the deadline aborts.
    package mutating func handle(_ event: Event, at now: Int64, deadline: Int64) -> Step {
        var step = Step()
        switch event {
        case .begin(let timing): begin(timing, &step)
        case .adopt(let recovered): adopt(recovered, &step)
        case .accepted: accepted(at: now, deadline: deadline, &step)
        case .acceptRefused: withdraw(replying: .keyTaken, &step)
        case .acceptUnavailable: withdraw(replying: .notAccepted, &step)
        case .acceptUnknown: acceptUnknown(&step)
        case .voted(let branch, let reply):
            voted(branch: branch, reply, at: now, deadline: deadline, &step)
        case .decided(let decision, let evidence): decided(decision, evidence: evidence, &step)
        case .decisionMissing: decisionMissing(&step)
        case .decisionUnknown: decisionUnknown(&step)
        case .delegated: delegated(&step)
        case .delegationFound(let evidence): delegationFound(evidence, &step)
        case .localCommitAnswered(let reply): localCommitAnswered(reply, &step)
        case .commitPointAnswered(let answer): commitPointAnswered(answer, &step)
        case .finished(let branch, let reply): finished(branch: branch, reply, &step)
        case .due(let timer): due(timer, &step)
        case .rollbackRequested: abort(.requested, &step)
        }
        noteHeuristics(&step)
        return step
    }
}
