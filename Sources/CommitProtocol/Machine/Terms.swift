/// The decision about a transaction; durable, and written once.
package enum Decision: String, Hashable, Sendable {
    /// Commit every branch.
    case commit
    /// Roll back every branch.
    case abort
}

/// How a branch was finished.
package enum Outcome: String, Hashable, Sendable, CaseIterable {
    /// Committed, as decided.
    case committed
    /// Rolled back, as decided.
    case rolledBack
    /// Committed, although the decision was abort.
    case heuristicCommit
    /// Rolled back, although the decision was commit.
    case heuristicRollback
    /// Its parts were finished differently.
    case heuristicMixed
    /// Gone, and nothing proves how it was finished.
    case heuristicHazard

    /// Whether the branch was finished as decided.
    package var isAsDecided: Bool { self == .committed || self == .rolledBack }
}

/// The state of a transaction as callers see it; it only moves towards the last three.
package enum TransactionState: String, Hashable, Sendable, CaseIterable {
    /// Not accepted yet; no record shows it.
    case active
    /// Working or prepared, without a decision.
    case preparing
    /// The decision is commit; at least one branch still has to commit.
    case committing
    /// The decision is abort; at least one branch may still be prepared.
    case aborting
    /// Every branch committed.
    case committed
    /// Every branch rolled back.
    case aborted
    /// At least one branch was finished against the decision, or nothing proves how it was
    /// finished; others may still be finishing.
    case needsOperator
}

/// A branch's vote as callers see it.
package enum Vote: String, Hashable, Sendable {
    /// The tag was `PREPARE TRANSACTION`, and every expectation was met.
    case prepared
    /// Declared read-only, with no part in the decision.
    case readOnly
    /// Everything else.
    case no
}

/// How a branch commits.
package enum CommitMode: String, Hashable, Sendable, CaseIterable {
    /// Prepared, then committed or rolled back by the decision.
    case twoPhase
    /// Declared READ ONLY: its session is held until the decision, and losing it loses nothing.
    case readOnly
    /// The only branch that writes: its own COMMIT is the decision. The row names its transaction id
    /// before the COMMIT is sent, so that PostgreSQL can be asked for its status afterwards.
    case onePhase
    /// Its local transaction writes the decision into a journal in the participant after all other
    /// branches are prepared; the journal is the commit point.
    case journal

    /// Whether this branch's participant holds the decision, and the row only a copy.
    package var isCommitPoint: Bool {
        switch self {
        case .twoPhase, .readOnly: false
        case .onePhase, .journal: true
        }
    }
}

/// What proves later how a prepared branch was finished; durable with the decision.
package struct PreparedEvidence: Hashable, Sendable {
    /// The branch's 64-bit transaction id (`xid8`).
    package let transactionID: UInt64
    /// The role that prepared the branch, and the only one that may finish it.
    package let owner: String
    /// The system identifier of the cluster, from `pg_control_system()`.
    package let systemIdentifier: String
    /// The timeline of the primary.
    package let timeline: UInt32
    /// The write-ahead log position right before PREPARE, as PostgreSQL prints it.
    package let location: String

    /// Makes evidence from its parts.
    package init(
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

/// Why a transaction aborts.
package enum AbortCause: Hashable, Sendable {
    /// This branch voted no.
    case refused(branch: Int)
    /// The deadline passed before the decision.
    case deadlinePassed
    /// The caller requested it.
    case requested
    /// It is unknown whether the transaction was accepted.
    case acceptanceUnknown
    /// Recovery found it undecided.
    case recovered
    /// Another replica, or an operator, recorded the abort first.
    case decidedElsewhere
}
