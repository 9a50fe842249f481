/// Decides which state a replica may report for a transaction that is finishing.
///
/// The replica that finishes a commit reports "committed" before the finish record is durable, since
/// a caller waits. So a missing record does not justify "committing": the inquiry reads the branches,
/// and if all have committed, so has the transaction. A read that began after a report of "committed"
/// always finds that. The result is recorded before it is reported, since the next replica that is
/// asked may get no answer from a participant.
///
/// Nothing in a participant proves that an abort has finished, since an absent branch may still
/// become prepared. The same holds for an outcome against the decision. These states are reported
/// only from their durable records.
package struct FinishInquiry: Hashable, Sendable {
    /// The next step of an inquiry.
    package enum Next: Hashable, Sendable {
        /// Confirm the row by a durable write.
        case confirmRow
        /// Read whether this branch has committed.
        case readBranch(Int)
        /// Read the row again for a moment: the replica that reported the finish may be recording it.
        case awaitRecord
        /// Report this state.
        case report(TransactionState)
    }

    /// What is known of a branch before it is read.
    package struct Branch: Hashable, Sendable {
        /// How the branch commits.
        package let commitMode: CommitMode
        /// The outcome, if known.
        package let outcome: Outcome?

        package init(commitMode: CommitMode, outcome: Outcome?) {
            self.commitMode = commitMode
            self.outcome = outcome
        }

        var isHeuristic: Bool { outcome?.isAsDecided == false }

        /// Whether the branch need not be read: a commit point's commit is the decision itself, and
        /// a read-only branch keeps nothing.
        var isKnownCommitted: Bool { commitMode != .twoPhase || outcome == .committed }
    }

    /// The state of a branch in its participant.
    package enum Reading: Hashable, Sendable {
        /// Committed, as its evidence proves.
        case committed
        /// Still prepared.
        case open
        /// The participant did not answer, or nothing proves the branch's state.
        case silent
    }

    private var unread: [Int] = []

    /// Starts an inquiry.
    package init() {}

    /// Returns the next step for a state; `isRecorded` if a durable write has confirmed its record.
    package mutating func read(
        _ state: TransactionState, _ branches: [Branch], isRecorded: Bool
    ) -> Next {
        switch state {
        case .active, .preparing, .aborting, .committed: return .report(state)
        case .aborted, .needsOperator: return isRecorded ? .report(state) : .confirmRow
        case .committing where branches.contains(where: \.isHeuristic):
            // A branch was finished against the decision; the record will say so.
            return .report(.committing)
        case .committing:
            unread = branches.indices.filter { !branches[$0].isKnownCommitted }
            return next
        }
    }

    /// Returns the next step after reading a branch.
    ///
    /// If the branch is prepared, "committed" had not been reported when the read began. If its
    /// participant does not answer, only the record can tell, and it may have been written since.
    package mutating func read(_ reading: Reading) -> Next {
        switch reading {
        case .committed:
            unread.removeFirst()
            return next
        case .open: return .report(.committing)
        case .silent: return .awaitRecord
        }
    }

    private var next: Next { unread.first.map { .readBranch($0) } ?? .report(.committed) }

    /// Whether the replica that reached a state may report it before it is recorded.
    package static func mayReportBeforeRecord(_ state: TransactionState) -> Bool {
        switch state {
        case .active, .preparing, .committing, .aborting, .committed: true
        case .aborted, .needsOperator: false
        }
    }
}
