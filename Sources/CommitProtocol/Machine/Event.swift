/// What happened, as told to a coordinator by the shell around it.
public enum Event: Hashable, Sendable {
    /// The caller's request begins.
    case begin(AcceptanceTiming)
    /// Recovery took the transaction over.
    case adopt(RecoveredTransaction)
    /// The accept row is durable.
    case accepted
    /// Another transaction holds the caller's key; no row of ours exists, nor ever will.
    case acceptRefused
    /// The accept row was surely not written.
    case acceptUnavailable
    /// Nobody can say whether the accept row was written.
    case acceptUnknown
    /// A branch answered its work.
    case voted(branch: Int, WorkReply)
    /// The row now durably holds this decision, whoever wrote it, and this evidence of every
    /// branch; empty where the reader has none to add.
    case decided(Decision, evidence: [PreparedEvidence?] = [])
    /// There is no row to hold a decision.
    case decisionMissing
    /// Nobody can say whether the decision was written.
    case decisionUnknown
    /// The row now durably says that the one-phase branch decides.
    case delegated
    /// An abort was asked of the row, and the row says that the one-phase branch decides; with the
    /// evidence of every branch in the row.
    case delegationFound(evidence: [PreparedEvidence?])
    /// The register answered the order to commit.
    case localCommitAnswered(LocalCommitReply)
    /// The register answered what it holds.
    case commitPointAnswered(CommitPointAnswer)
    /// A branch answered the order to end.
    case finished(branch: Int, FinishReply)
    /// A timer that a step asked for has fired.
    case due(Timer)
    /// The caller, or an operator, asks for an abort.
    case rollbackRequested
}

/// Whether work may overlap the acceptance.
public enum AcceptanceTiming: Hashable, Sendable {
    /// Work is sent at once; for requests without a key.
    case overlapping
    /// Work waits for the durable row, so that a key's second use sends nothing.
    case first
}

/// A branch's answer to its work.
public enum WorkReply: Hashable, Sendable {
    /// The tag was `PREPARE TRANSACTION`, and every expectation was met.
    case prepared(PreparedEvidence)
    /// Prepared, but an expectation was missed.
    case preparedAgainstVote(PreparedEvidence)
    /// A read-only branch has read all, with every expectation met, and its session is held.
    case held
    /// The register's work is done, with every expectation met, and its transaction is open.
    case ready(PreparedEvidence)
    /// Refused, and surely not prepared.
    case refused
    /// The session was lost after something had been sent.
    case lost
}

/// The register's answer to the order to commit its own transaction.
public enum LocalCommitReply: Hashable, Sendable {
    /// The tag was `COMMIT`, without a warning: the decision is commit, and durable.
    case committed
    /// PostgreSQL refused, and the transaction was rolled back; it can never commit.
    case rolledBack
    /// The session was lost, or the commit came with a warning: it has to be asked.
    case unknown
}

/// What a register holds, asked behind the fence.
public enum CommitPointAnswer: Hashable, Sendable {
    /// This decision, durably; with the evidence that it keeps of every branch, empty if none.
    case decided(Decision, evidence: [PreparedEvidence?] = [])
    /// Unreachable, busy or unknown: it has to be asked again.
    case tryAgain
    /// It is not the database that it was, and nothing there proves anything.
    case unprovable
}

/// A branch's answer to the order to end.
public enum FinishReply: Hashable, Sendable {
    /// The tag was `COMMIT PREPARED` or `ROLLBACK PREPARED`.
    case done
    /// No such gid, and the recorded evidence proves that it was committed.
    case provedCommitted
    /// No such gid, and evidence or the fence proves that it was rolled back or never prepared.
    case provedRolledBack
    /// No such gid, and nothing proves why.
    case unprovable
    /// Unreachable, busy or unknown: it has to be tried again.
    case tryAgain
}

/// A timer that a step asks for.
public enum Timer: Hashable, Sendable {
    /// The caller's bound on the time to the decision.
    case deadline
    /// The bound on the time from the decision to the answer.
    case finishWait
    /// The next attempt to learn or make the decision.
    case decideAgain
    /// The next attempt to learn what the register holds.
    case queryAgain
    /// The next attempt to end this branch.
    case finishAgain(branch: Int)
}

/// A row as recovery found it.
public struct RecoveredTransaction: Hashable, Sendable {
    /// The decision in the row, if any.
    ///
    /// It must have been read by a write of the reader's own.
    public let decision: Decision?
    /// Whether the row says that its one-phase branch decides.
    public let isDelegated: Bool
    /// Each branch's evidence, and its outcome if that is known.
    public let branches: [RecoveredBranch]

    /// Makes a recovered row of its parts.
    public init(decision: Decision?, isDelegated: Bool = false, branches: [RecoveredBranch]) {
        self.decision = decision
        self.isDelegated = isDelegated
        self.branches = branches
    }
}

/// A branch as recovery found it.
public struct RecoveredBranch: Hashable, Sendable {
    /// What the decision's write left to prove the end with.
    public let evidence: PreparedEvidence?
    /// The outcome, if it was recorded.
    public let outcome: Outcome?

    /// Makes a recovered branch of its parts.
    public init(evidence: PreparedEvidence?, outcome: Outcome?) {
        self.evidence = evidence
        self.outcome = outcome
    }
}
