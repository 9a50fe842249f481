/// What a transaction's row says must happen; durable and write-once.
public enum Decision: String, Hashable, Sendable {
    /// Every branch is to be committed.
    case commit
    /// Every branch is to be rolled back.
    case abort
}

/// What really happened to a branch.
public enum Outcome: String, Hashable, Sendable, CaseIterable {
    /// Committed, as decided.
    case committed
    /// Rolled back, as decided.
    case rolledBack
    /// Found committed although the decision was abort.
    case heuristicCommit
    /// Found rolled back although the decision was commit.
    case heuristicRollback
    /// Its parts ended differently.
    case heuristicMixed
    /// Gone, and nothing proves which way.
    case heuristicHazard

    /// Whether the outcome is what was decided.
    public var isAsDecided: Bool { self == .committed || self == .rolledBack }
}

/// What a caller is shown of a transaction; it only moves towards the last three.
public enum TransactionState: String, Hashable, Sendable, CaseIterable {
    /// Accepted; no work was sent yet.
    case active
    /// Work is under way or done, and nothing is decided.
    case preparing
    /// Decided to commit; at least one branch is still to be committed.
    case committing
    /// Decided to abort; at least one branch may still be prepared.
    case aborting
    /// Every branch committed.
    case committed
    /// Every branch rolled back.
    case aborted
    /// At least one branch ended otherwise, or in a way that cannot be proved; others may still be
    /// being ended.
    case needsOperator
}

/// A branch's vote, as callers see it.
public enum Vote: String, Hashable, Sendable {
    /// The command tag said `PREPARE TRANSACTION`, and every expectation was met.
    case prepared
    /// Declared read only: it has nothing to decide.
    case readOnly
    /// Anything else.
    case no
}

/// How a branch takes part in the end of its transaction.
public enum CommitMode: String, Hashable, Sendable, CaseIterable {
    /// It is prepared, and waits for the decision.
    case twoPhase
    /// Declared READ ONLY: its session is held until the decision, and nothing can be lost with it.
    case readOnly
    /// The only branch that writes: its own COMMIT is the decision. The row names its transaction id
    /// before the COMMIT is sent, so that what became of it can be asked of PostgreSQL afterwards.
    case onePhase
    /// Its local transaction writes the decision into a journal in the participant, after all
    /// others are prepared; the journal is the only register of that decision.
    case journal

    /// Whether the decision is made in this branch's participant, and only copied to the row.
    public var isCommitPoint: Bool {
        switch self {
        case .twoPhase, .readOnly: false
        case .onePhase, .journal: true
        }
    }
}

/// What proves, later, how a prepared branch ended; durable with the decision.
public struct PreparedEvidence: Hashable, Sendable {
    /// The branch's 64-bit transaction id (`xid8`).
    public let transactionID: UInt64
    /// The role that prepared it, and that must finish it.
    public let owner: String
    /// The system identifier of the cluster, from `pg_control_system()`.
    public let systemIdentifier: String
    /// The timeline that the primary was writing.
    public let timeline: UInt32
    /// The write-ahead log position right before PREPARE, as PostgreSQL prints it.
    public let location: String

    /// Makes evidence of its parts.
    public init(
        transactionID: UInt64, owner: String, systemIdentifier: String, timeline: UInt32,
        location: String
    ) {
        self.transactionID = transactionID
        self.owner = owner
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.location = location
    }
}

/// Why a transaction was aborted.
public enum AbortCause: Hashable, Sendable {
    /// This branch voted no.
    case refused(branch: Int)
    /// The deadline passed before the decision.
    case deadlinePassed
    /// The caller asked for it.
    case requested
    /// Its acceptance could not be made certain.
    case acceptanceUnknown
    /// A recovery pass found it undecided.
    case recovered
    /// Somebody else recorded the abort first.
    case decidedElsewhere
}
