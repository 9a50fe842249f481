/// Faults of the environment that no correct one has; each must be caught by some rule.
package enum BrokenWorld: CaseIterable, Hashable, Sendable {
    /// The log overwrites a decision.
    case noCompareAndSet
    /// The log reads whether a row is decided, and acts on that when something else may be there.
    case readThenAct
    /// The log's answer leaves out the evidence that came with another's commit.
    case noForeignEvidence
    /// The evidence is not durable with the decision.
    case evidenceNotDurable
    /// The fence leaves sessions alive.
    case noFence
    /// Work runs on sessions that no fence knows of.
    case sessionsUnregistered
    /// A tombstone is answered and not written.
    case tombstoneNotWritten
    /// A decision is acted on because it was read; it may be visible, and not durable.
    case readNotClaimed
    /// "No such gid" is taken for "done already".
    case absenceIsDone
    /// `pg_xact_status` is believed on another timeline.
    case timelineIgnored
    /// The scan rolls back what has no row, and leaves no tombstone.
    case scanWithoutTombstone
    /// The scan acts on its first list, without a look at the rows.
    case scanIgnoresRows
    /// A one-phase commit whose answer was lost is run again.
    case onePhaseRetried
    /// An abort overwrites the row's word that its branch decides.
    case delegationOverruled
    /// COMMIT is sent although the transaction id is nowhere durable.
    case delegationNotWritten
    /// A register is asked while its session lives.
    case askWithoutFence
    /// The journal's silence is taken for an abort, and nothing is put there.
    case noTombstone
    /// A deadline aborts a journal's transaction in its row.
    case rowDecidesForJournal
    /// A journal's transaction begins before its row is durable.
    case acceptNotDurable
    /// A superseded life still records the end, and the owner's question comes after it.
    case formerOwnerFinishes
    /// The journal's row goes while something still depends on it.
    case journalRowRemovedEarly
    /// A restored journal is believed.
    case identityUnchecked
    /// A decision that was only read is told.
    case readIsTold
    /// A replica that does not drive a transaction tells what its row says, whatever decides.
    case rowReadAlone
    /// It looks at the row, at the register, and not at the row again.
    case lookedOnce
    /// A replica that drives a transaction tells what it knows itself, and does not look.
    case phaseIsTold
    /// A commit whose end is not recorded is told as under way, and nobody looks at the branches.
    case endIsNotSought
    /// Whoever ended an abort says so before that is recorded.
    case abortEndIsTold
    /// The record of an abort's end is told because it was read; it may be visible, and not durable.
    case endReadIsTold
}
