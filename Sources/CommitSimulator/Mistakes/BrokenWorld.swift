/// Mistakes of what the machine relies on; each must break a rule.
package enum BrokenWorld: CaseIterable, Hashable, Sendable {
    /// The log overwrites a decision.
    case noCompareAndSet
    /// The log acts on an earlier read of whether the row is decided.
    case readThenAct
    /// The log's answer omits the evidence of another replica's commit.
    case noForeignEvidence
    /// The log does not record the evidence with the decision.
    case evidenceNotDurable
    /// The fence does not end sessions.
    case noFence
    /// Work runs on sessions that are not recorded for the fence.
    case sessionsUnrecorded
    /// The log confirms a tombstone without writing it.
    case tombstoneNotWritten
    /// Recovery acts on a decision that it only read, and that may not be durable.
    case readNotClaimed
    /// "No such gid" counts as "already done".
    case absenceIsDone
    /// `pg_xact_status` counts on another timeline.
    case timelineIgnored
    /// The scan rolls back gids without a row and writes no tombstone.
    case scanWithoutTombstone
    /// The scan acts on its first list without reading the rows.
    case scanIgnoresRows
    /// A one-phase commit whose answer was lost runs again.
    case onePhaseRetried
    /// An abort overwrites a row that says that its branch decides.
    case delegationOverruled
    /// COMMIT is sent before the transaction id is durable.
    case delegationNotWritten
    /// The commit point is queried while its session is open.
    case queryWithoutFence
    /// A journal without a decision counts as an abort, and nothing is written there.
    case noTombstone
    /// A deadline aborts a journal's transaction in its row.
    case rowDecidesForJournal
    /// A journal's transaction begins before its row is durable.
    case acceptNotDurable
    /// A superseded incarnation still writes the finish record, before the owner queries the journal.
    case formerOwnerFinishes
    /// The journal's row is removed while something depends on it.
    case journalRowRemovedEarly
    /// A restored journal counts.
    case identityUnchecked
    /// A replica reports a decision that it only read.
    case unconfirmedDecisionIsReported
    /// A replica that does not own a transaction reports the row, even if a branch decides.
    case onlyRowIsRead
    /// It reads the row and the commit point, but not the row again.
    case rowIsReadOnce
    /// The owner reports what it knows, without reading.
    case phaseIsReported
    /// A commit without a finish record is reported as unfinished, without reading the branches.
    case branchesAreNotRead
    /// A finished abort is reported before its record.
    case abortIsReportedBeforeRecord
    /// A replica reports an abort's finish record that it only read, and that may not be durable.
    case unconfirmedFinishIsReported
}
