/// A durable step of a transaction, as the engine's ports carry it out.
///
/// A new case needs crash cases in `Reliability/crash/points.py`; a tidy test compares the two.
package enum ProtocolStep: String, CaseIterable, Sendable {
    /// The row of an acceptance.
    case accept
    /// The decision commit.
    case decideCommit
    /// The decision abort.
    case decideAbort
    /// The abort, decided or copied, that accepts the request's next run.
    case retry
    /// The decision abort in the place of a row that may not exist.
    case tombstone
    /// The claim of rows that no living replica owns.
    case claim
    /// The record that the one-phase branch decides.
    case delegate
    /// The commit point's own COMMIT, which is the decision.
    case commitLocally
    /// The query of a commit point.
    case queryCommitPoint
    /// The copy of a commit point's decision.
    case copy
    /// The COMMIT or ROLLBACK of what a branch that is not prepared holds open.
    case release
    /// The finish record.
    case finish
    /// A branch's SQL and its PREPARE.
    case work
    /// A branch's COMMIT PREPARED.
    case commitPrepared
    /// A branch's ROLLBACK PREPARED, where the branch is known to be prepared.
    case rollbackPrepared
    /// The end of sessions that might still prepare a branch, and its roll-back.
    case fence
}

/// The side of a step.
package enum StepMoment: String, Sendable {
    /// Nothing was sent yet.
    case before
    /// It was answered, and the engine does not know yet.
    case after
}
