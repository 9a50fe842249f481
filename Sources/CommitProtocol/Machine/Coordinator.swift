/// The coordinator of one global transaction: events in, steps out; no clock, no input, no output.
///
/// The production engine and the simulator run this very code. Every rule of `docs/PROTOCOL.md`
/// about one transaction is here and nowhere else.
public struct Coordinator: Hashable, Sendable {
    /// Where the transaction stands.
    ///
    /// Each case names where it can go.
    public enum Phase: Hashable, Sendable {
        /// Nothing happened yet. To `preparing`, or by adoption to `deciding` or `finishing`.
        case idle
        /// Branches work. `isAccepted`: the row is durable. `abort`: an abort that waits for the
        /// row, because there is nothing yet that could hold it. To `deciding`, `withdrawing`.
        case preparing(isAccepted: Bool, abort: AbortCause?)
        /// A decision was asked of the log and is not known to be durable. To `finishing` of the
        /// decision that the log answers, whichever it is.
        case deciding(Decision, viaTombstone: Bool)
        /// The decision is durable; branches are being ended. To `ended`.
        case finishing(Decision)
        /// No row exists, nor ever will: what was prepared is rolled back. To `withdrawn`.
        case withdrawing
        /// Every branch has ended.
        case ended(Decision)
        /// Nothing of it is left anywhere.
        case withdrawn
    }

    /// The transaction.
    public let transaction: GlobalTransactionID
    /// Where the transaction stands.
    public internal(set) var phase: Phase = .idle
    /// The branches, by number.
    public internal(set) var branches: [Branch]
    /// Why it aborts, once it does.
    public internal(set) var cause: AbortCause?
    /// How often the log could not say what was decided.
    var decisionRetries = 0
    /// Whether the caller has been answered.
    var hasReplied = false
    /// Whether the bound from decision to answer has been started.
    var isFinishWaitArmed = false

    /// A transaction of this many branches, at least one.
    public init(transaction: GlobalTransactionID, branchCount: Int) {
        precondition(branchCount > 0, "a transaction has at least one branch")
        self.transaction = transaction
        branches = Array(repeating: Branch(), count: branchCount)
    }

    /// What a caller is shown.
    public var state: TransactionState {
        switch phase {
        case .idle: .active
        case .preparing: .preparing
        case .deciding: .preparing
        case .finishing(.commit): .committing
        case .finishing(.abort), .withdrawing: .aborting
        case .withdrawn: endState(.abort)
        case .ended(let decision): endState(decision)
        }
    }

    /// A branch that ended against the decision is never hidden, even where no row exists or where
    /// the row itself said so.
    private func endState(_ decision: Decision) -> TransactionState {
        let asDecided: Outcome = decision == .commit ? .committed : .rolledBack
        guard branches.allSatisfy({ $0.outcome == asDecided }) else { return .needsOperator }
        return decision == .commit ? .committed : .aborted
    }

    /// The decision, once it is durable.
    public var decision: Decision? {
        switch phase {
        case .finishing(let decision), .ended(let decision): decision
        case .idle, .preparing, .deciding, .withdrawing, .withdrawn: nil
        }
    }

    /// Whether the row is known to be durable, so that the id may be told.
    public var isAccepted: Bool {
        switch phase {
        case .idle, .withdrawing, .withdrawn, .preparing(isAccepted: false, _),
            .deciding(_, viaTombstone: true):
            false
        case .preparing(isAccepted: true, _), .deciding(_, viaTombstone: false), .finishing,
            .ended:
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
        case .finished(let branch, let reply): finished(branch, reply, &step)
        case .due(let timer): due(timer, &step)
        case .rollbackRequested: abort(.requested, &step)
        }
        return step
    }
}
