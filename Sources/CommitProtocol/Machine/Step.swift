/// What the shell has to do after an event, in this order: log, commands, timers, replies.
///
/// A command that depends on a durable record is never in the step that asks for the record: it is
/// in the step of the event that says the record is durable. That is what makes persist-before-send
/// a property of these values, which a test can check.
public struct Step: Hashable, Sendable {
    /// A request to the decision log; its answer comes back as an event.
    public var log: LogRequest?
    /// Orders to branches; each is answered by exactly one event, but for `cancel`.
    public var commands: [BranchCommand] = []
    /// Timers to start.
    public var timers: [TimerRequest] = []
    /// What the caller may be told from now on.
    ///
    /// The first reply answers the waiting caller.
    public var reply: Reply?
    /// Whether the transaction has ended here, and the shell may forget it.
    public var isLast = false

    /// An empty step.
    public init() {}
}

/// A request to the decision log.
public enum LogRequest: Hashable, Sendable {
    /// Insert the row. Answered by `accepted`, `acceptRefused`, `acceptUnavailable`,
    /// `acceptUnknown`.
    case accept
    /// Record this decision if none is there, with every branch's evidence. Answered by `decided`
    /// (the decision in the row, ours or another's), `decisionMissing`, `decisionUnknown`.
    ///
    /// A row that says a one-phase branch decides keeps that, and answers `delegationFound`.
    case decide(Decision)
    /// Insert the row with the decision abort, or record abort in the row that is there if it is
    /// undecided. Answered by `decided`, `decisionUnknown`.
    case tombstone
    /// Record, if nothing is decided, that the one-phase branch decides, with its evidence. Answered
    /// by `delegated`, `decided`, `decisionMissing`, `decisionUnknown`.
    case delegate
    /// Record what the register decided, with every branch's evidence, inserting the row if there
    /// is none. Answered by `decided`, `decisionUnknown`.
    case copy(Decision)
    /// Record the outcomes, and the register's decision where no copy was made yet; lazily, and
    /// unanswered.
    case finish
    /// Record that nobody can tell the decision; lazily, and unanswered.
    case report
    /// Record how the branches have ended so far, one of them against the decision or unprovably;
    /// lazily, and unanswered.
    case noteOutcomes
}

/// An order to a branch.
public enum BranchCommand: Hashable, Sendable {
    /// Run the work, and prepare it or, by the branch's ending, hold it open. Answered by `voted`.
    case work(branch: Int)
    /// Cancel the work that is running; the pending `voted` is the answer.
    case cancel(branch: Int)
    /// `COMMIT PREPARED`. Answered by `finished`.
    case commitPrepared(branch: Int)
    /// `ROLLBACK PREPARED`. Answered by `finished`.
    case rollbackPrepared(branch: Int)
    /// Have the register commit its own transaction: the decision. Answered by `registered`.
    case commitLocally(branch: Int)
    /// Make certain that no session can still decide, then learn what the register holds; where it
    /// holds nothing, make it hold abort. Answered by `commitPointAnswered`.
    case queryCommitPoint(branch: Int)
    /// End the transaction that a read-only branch or the register holds open. Answered by
    /// `finished`.
    case release(branch: Int, Decision)
    /// Make certain that no session can still prepare the branch, then roll back what is found.
    /// Answered by `finished`.
    case fenceAndRollBack(branch: Int)
}

/// A timer to start.
public struct TimerRequest: Hashable, Sendable {
    /// Which timer.
    public let timer: Timer
    /// Milliseconds from now; nil for the shell's own setting (`deadline`, `finishWait`).
    public let delayMilliseconds: Int64?
}

/// What the caller may be told.
public enum Reply: Hashable, Sendable {
    /// Every branch committed.
    case committed
    /// The abort is durable.
    case aborted(AbortCause)
    /// Decided to commit; some branch is still being committed.
    case committing
    /// Some branch ended otherwise than decided, or unprovably.
    case needsOperator
    /// Nobody can say yet what was decided.
    case outcomeUnknown
    /// Another transaction holds the key.
    case keyTaken
    /// Nothing was accepted; the state database is out of reach.
    case notAccepted
    /// It may have been accepted, and it will never commit.
    case neverCommits
}
