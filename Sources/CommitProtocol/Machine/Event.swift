/// An event that the engine reports to the machine.
package enum Event: Hashable, Sendable {
    /// A caller's request begins.
    case begin(AcceptanceTiming)
    /// Recovery took the transaction over.
    case adopt(RecoveredTransaction)
    /// The accept row is durable.
    case accepted
    /// Another transaction has the caller's key; no row of this one exists or will exist.
    case acceptRefused
    /// The accept row was certainly not written.
    case acceptUnavailable
    /// It is unknown whether the accept row was written.
    case acceptUnknown
    /// A branch answered its work.
    case voted(branch: Int, WorkReply)
    /// The row durably holds this decision, by any author, and this evidence of every branch; empty
    /// if the reader adds none.
    case decided(Decision, evidence: [PreparedEvidence?] = [])
    /// There is no row to hold a decision.
    case decisionMissing
    /// It is unknown whether the decision was written.
    case decisionUnknown
    /// The row durably says that the one-phase branch decides.
    case delegated
    /// The answer to an abort: the row says that the one-phase branch decides; with the row's
    /// evidence of every branch.
    case delegationFound(evidence: [PreparedEvidence?])
    /// The commit point answered its COMMIT.
    case localCommitAnswered(LocalCommitReply)
    /// The commit point answered the query for its decision.
    case commitPointAnswered(CommitPointAnswer)
    /// A branch answered the command to finish.
    case finished(branch: Int, FinishReply)
    /// A timer of a step fired.
    case due(Timer)
    /// The caller or an operator requested a rollback.
    case rollbackRequested
}

/// Whether work may start before the transaction is accepted.
package enum AcceptanceTiming: Hashable, Sendable {
    /// Work starts at once; for requests without a key.
    case overlapping
    /// Work waits for the durable row, so that a repeated key sends nothing.
    case first
}

/// A branch's answer to its work.
package enum WorkReply: Hashable, Sendable {
    /// The tag was `PREPARE TRANSACTION`, and every expectation was met.
    case prepared(PreparedEvidence)
    /// Prepared, but an expectation was missed.
    case preparedAgainstVote(PreparedEvidence)
    /// A read-only branch has finished its reads, every expectation was met, and its session is held.
    case held
    /// The commit point has finished its work, every expectation was met, and its transaction is open.
    case ready(PreparedEvidence)
    /// Refused, and certainly not prepared.
    case refused
    /// The session was lost after something had been sent.
    case lost
}

/// The commit point's answer to the COMMIT of its own transaction.
package enum LocalCommitReply: Hashable, Sendable {
    /// The tag was `COMMIT`, without a warning: the decision is commit, and durable.
    case committed
    /// PostgreSQL rolled the transaction back; it can never commit.
    case rolledBack
    /// The session was lost, or the commit came with a warning: query the commit point.
    case unknown
}

/// The decision that the commit point holds, queried after the fence.
package enum CommitPointAnswer: Hashable, Sendable {
    /// This decision, durably, with its evidence of every branch; empty if it has none.
    case decided(Decision, evidence: [PreparedEvidence?] = [])
    /// Unreachable, busy or unknown: query it again.
    case tryAgain
    /// The database is another one than recorded, so it proves nothing.
    case unprovable
}

/// A branch's answer to the command to finish.
package enum FinishReply: Hashable, Sendable {
    /// The tag was `COMMIT PREPARED` or `ROLLBACK PREPARED`.
    case done
    /// No such gid, and the recorded evidence proves that it was committed; or an operator has stated it,
    /// which is believed without proof.
    case provedCommitted
    /// No such gid, and evidence or the fence proves that it was rolled back or never prepared; or an
    /// operator has stated it.
    case provedRolledBack
    /// No such gid, and nothing proves why.
    case unprovable
    /// Unreachable, busy or unknown: try again.
    case tryAgain
}

/// A timer that a step starts.
package enum Timer: Hashable, Sendable {
    /// The caller's time limit for the decision.
    case deadline
    /// The time limit from the decision to the reply.
    case finishWait
    /// The next attempt to learn or record the decision.
    case decideAgain
    /// The next query of the commit point.
    case queryAgain
    /// The next attempt to finish this branch.
    case finishAgain(branch: Int)
}

/// A row that recovery found.
package struct RecoveredTransaction: Hashable, Sendable {
    /// The decision in the row, if any; it must be confirmed by a durable write of the reader's.
    package let decision: Decision?
    /// Whether the row says that its one-phase branch decides.
    package let isDelegated: Bool
    /// The row's branches, by number.
    package let branches: [RecoveredBranch]

    /// Makes a recovered row from its parts.
    package init(decision: Decision?, isDelegated: Bool = false, branches: [RecoveredBranch]) {
        self.decision = decision
        self.isDelegated = isDelegated
        self.branches = branches
    }
}

/// A branch in a row that recovery found.
package struct RecoveredBranch: Hashable, Sendable {
    /// The evidence recorded with the decision, if any.
    package let evidence: PreparedEvidence?
    /// The outcome, if recorded.
    package let outcome: Outcome?

    /// Makes a recovered branch from its parts.
    package init(evidence: PreparedEvidence?, outcome: Outcome?) {
        self.evidence = evidence
        self.outcome = outcome
    }
}
