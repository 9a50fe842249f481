/// What the engine has to do after an event, in this order: log, commands, timers, reply.
///
/// A command that depends on a durable record is never in the step that requests the record. It is in
/// the step of the event that confirms the record. So persist-before-send is a property of these
/// values, and a test can check it.
package struct Step: Hashable, Sendable {
    /// A request to the decision log; an event brings its answer.
    package var log: LogRequest?
    /// Commands to branches; exactly one event answers each, except `cancel`.
    package var commands: [BranchCommand] = []
    /// Timers to start.
    package var timers: [TimerRequest] = []
    /// The reply to the waiting caller; a transaction replies once.
    package var reply: Reply?
    /// Whether nothing is left to do, and the engine may forget the transaction.
    package var isLast = false

    /// An empty step.
    package init() {}
}

/// A request to the decision log.
package enum LogRequest: Hashable, Sendable {
    /// Insert the row. Answered by `accepted`, `acceptRefused`, `acceptUnavailable`,
    /// `acceptUnknown`.
    case accept
    /// Record this decision if there is none, with every branch's evidence. Answered by `decided`
    /// with the decision in the row, which another replica may have made, `decisionMissing`,
    /// `decisionUnknown`.
    ///
    /// If the row says that a one-phase branch decides, it stays so; answered by `delegationFound`.
    case decide(Decision)
    /// Insert the row with the decision abort, or record abort in an undecided row. Answered by
    /// `decided`, `decisionUnknown`.
    case tombstone
    /// Record, in an undecided row, that the one-phase branch decides, with its evidence. Answered
    /// by `delegated`, `decided`, `decisionMissing`, `decisionUnknown`.
    case delegate
    /// Record the commit point's decision and every branch's evidence; insert the row if there is
    /// none. Answered by `decided`, `decisionUnknown`.
    case copy(Decision)
    /// Record the outcomes, and the commit point's decision if no copy was made. Lazy, no answer.
    case finish
    /// Record that the decision cannot be determined. Lazy, no answer.
    case report
    /// Record the outcomes so far, one of them heuristic. Lazy, no answer.
    case noteOutcomes

    /// The decision that it writes into an undecided row.
    package var decision: Decision? {
        switch self {
        case .decide(let decision), .copy(let decision): decision
        case .tombstone: .abort
        case .accept, .delegate, .finish, .report, .noteOutcomes: nil
        }
    }

    /// Whether no event answers it: it may be written late, and a loss costs one needless recovery.
    package var isLazy: Bool {
        switch self {
        case .finish, .report, .noteOutcomes: true
        case .accept, .decide, .tombstone, .delegate, .copy: false
        }
    }
}

/// A command to a branch.
package enum BranchCommand: Hashable, Sendable {
    /// Run the work, then prepare it or, by the branch's commit mode, hold it. Answered by `voted`.
    case work(branch: Int)
    /// Cancel the running work; the pending `voted` is the answer.
    case cancel(branch: Int)
    /// `COMMIT PREPARED`. Answered by `finished`.
    case commitPrepared(branch: Int)
    /// `ROLLBACK PREPARED`. Answered by `finished`.
    case rollbackPrepared(branch: Int)
    /// Commit the commit point's own transaction: the decision. Answered by `localCommitAnswered`.
    case commitLocally(branch: Int)
    /// Ensure that no session can still decide, then read the commit point's decision; if there is
    /// none, record abort there. Answered by `commitPointAnswered`.
    case queryCommitPoint(branch: Int)
    /// End the transaction that a read-only branch or the commit point holds. Answered by `finished`.
    case release(branch: Int, Decision)
    /// Ensure that no session can still prepare the branch, then roll back what is found. Answered
    /// by `finished`.
    case fenceAndRollBack(branch: Int)
}

/// A timer to start.
package struct TimerRequest: Hashable, Sendable {
    /// Which timer.
    package let timer: Timer
    /// Milliseconds from now; nil for the engine's setting (`deadline`, `finishWait`).
    package let delayMilliseconds: Int64?
}

/// The reply to the caller.
package enum Reply: Hashable, Sendable {
    /// Every branch committed.
    case committed
    /// The abort is durable.
    case aborted(AbortCause)
    /// The decision is commit; a branch still has to commit.
    case committing
    /// A branch was finished against the decision, or nothing proves how it was finished.
    case needsOperator
    /// The decision is not known yet.
    case outcomeUnknown
    /// Another transaction has the key.
    case keyTaken
    /// Nothing was accepted; the state database is unavailable.
    case notAccepted
    /// It may have been accepted, and it will never commit.
    case neverCommits
}
