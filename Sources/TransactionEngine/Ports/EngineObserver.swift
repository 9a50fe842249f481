package import CommitProtocol
package import EventLoop

/// Something that the engine has done.
package enum EngineEvent: Sendable {
    /// A request was answered, refusals among them, after so long.
    case answered(TransactionAnswer, after: Duration)
    /// A transaction that lost to others is aborted, and its request runs again.
    case retried(TransactionRecord, BranchFailure)
    /// A transaction has ended here: every branch is finished, or it is left to an operator.
    case ended(ObservedTransaction)
    /// A branch could not be finished: it is tried again, or nothing proves how it ended.
    case finishFailed(participant: String, isRetryable: Bool)
    /// A branch was finished against the decision, or in a way that nothing proves.
    case heuristicOutcome(participant: String)
    /// A pass over the rows is done.
    case recoveryPass(RecoveryPass)
    /// A pass over the rows failed: the state database did not answer.
    case recoveryFailed
    /// Recovery has changed something, besides taking transactions over.
    case recovered(RecoveryAction)
    /// A scan of a participant is done.
    case scanned(ParticipantScan)
    /// A scan of a participant failed.
    case scanFailed(participant: String)
}

/// Receives what the engine does, for metrics, traces and the console.
///
/// Each call is made in the order of the events, and has to return at once.
package protocol EngineObserver: Sendable {
    /// An event has happened.
    @LoopActor
    func observe(_ event: EngineEvent)
}

/// What recovery changes, besides taking transactions over.
package enum RecoveryAction: String, Sendable, Hashable, CaseIterable {
    /// Aborted another replica's transaction past its deadline.
    case abortedExpired
    /// Recorded an abort for a prepared transaction without a row.
    case recordedAbort
    /// Rolled back a branch that was prepared after its transaction was aborted.
    case rolledBack
}

/// What a scan of a participant has found.
package struct ParticipantScan: Sendable, Hashable {
    /// The participant.
    package let participant: String
    /// Prepared transactions of this installation whose row says that they have ended, or that have
    /// none.
    package let orphanCount: Int
    /// Prepared transactions that are left to an operator.
    package let reportedCount: Int

    package init(participant: String, orphanCount: Int, reportedCount: Int) {
        self.participant = participant
        self.orphanCount = orphanCount
        self.reportedCount = reportedCount
    }
}

/// A transaction that this replica coordinates, for an observer to read during the call.
///
/// It leads to the engine's own object, so that an event costs no copy of the record.
@LoopActor
package struct ObservedTransaction: Sendable {
    private let transaction: ActiveTransaction

    init(_ transaction: ActiveTransaction) { self.transaction = transaction }

    /// Its id.
    package var id: GlobalTransactionID { transaction.id }
    /// What is reported of it.
    package var state: TransactionState { transaction.machine.state }
    /// Whether an earlier incarnation, or another replica, began it.
    package var isAdopted: Bool { transaction.isAdopted }
    /// Whether its request runs again under another id.
    package var isRetried: Bool { transaction.record.retriedAs != nil }
    /// How many branches it has.
    package var branchCount: Int { transaction.machine.branches.count }
    /// The caller's position in a trace, whichever replica began the transaction.
    package var traceParent: TraceParent? { transaction.record.traceParent }
    /// When its steps happened.
    package var timeline: TransactionTimeline { transaction.timeline }
    /// How long its request waited for sessions; nil for all runs but the first.
    package var admission: Duration? {
        guard let active = transaction.activeRequest, transaction.record.attempt == 1 else {
            return nil
        }
        return .microseconds(max(0, transaction.timeline.start - active.start))
    }
    /// From the arrival of its request, whatever runs came before; of one that another incarnation
    /// began, from when it was taken over.
    package var duration: Duration {
        guard let active = transaction.activeRequest else { return timeline.whole }
        return timeline.whole + .microseconds(max(0, timeline.start - active.start))
    }
    /// Whether its row was certainly not written, so that it never was a transaction to others.
    package var isWithdrawn: Bool {
        transaction.machine.phase == .withdrawn && transaction.machine.state == .aborted
    }
    /// Why it aborts, if it does.
    package var cause: AbortCause? { transaction.machine.cause }
    /// The failure of the branch that made it abort, if one did.
    package var failure: BranchFailure? { transaction.decisiveFailure }
    /// The record, with all that is known; made anew by each call.
    package var record: TransactionRecord { transaction.view }

    /// How it commits: by a branch that decides if it has one, read-only if all its branches are.
    package var commitMode: CommitMode {
        var mode = CommitMode.readOnly
        for branch in transaction.machine.branches {
            if branch.commitMode.isCommitPoint { return branch.commitMode }
            if branch.commitMode == .twoPhase { mode = .twoPhase }
        }
        return mode
    }
}
