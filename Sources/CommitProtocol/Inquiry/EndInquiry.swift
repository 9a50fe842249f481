/// What may be told of the end of a transaction whose decision may be told, at any replica.
///
/// Whoever ends a commit says "committed" before the record of that is durable, for a caller waits.
/// So nobody says "committing" for want of the record: the branches themselves are looked at, and
/// where all of them have committed, all of them are seen to have. A look that began after somebody
/// was told "committed" finds nothing else, and what it found is recorded before it is told: whoever is
/// asked next may get no answer from a participant.
///
/// Nothing in a participant proves the end of an abort, since a branch that is not there may yet be
/// prepared; nor one against the decision. Those ends are told by their records alone, once these are
/// durable.
public struct EndInquiry: Hashable, Sendable {
    /// What is looked at next, or the end.
    public enum Next: Hashable, Sendable {
        /// The row, by a durable write of one's own.
        case confirmRow
        /// Whether this branch has committed.
        case look(branch: Int)
        /// The row, again, for a moment: whoever told of the end is just recording it.
        case awaitRecord
        /// This may be told.
        case tell(TransactionState)
    }

    /// What is known of a branch without a look.
    public struct Branch: Hashable, Sendable {
        /// How it takes part in the end.
        public let commitMode: CommitMode
        /// How it ended, as far as that is known.
        public let outcome: Outcome?

        /// Makes it of its parts.
        public init(commitMode: CommitMode, outcome: Outcome?) {
            self.commitMode = commitMode
            self.outcome = outcome
        }

        /// Whether it ended against the decision, or in a way that nothing proves.
        var isHeuristic: Bool { outcome?.isAsDecided == false }

        /// A register's commit is the decision itself, and of a read-only branch nothing is kept.
        var isProvedByDecision: Bool { commitMode != .twoPhase || outcome == .committed }
    }

    /// What a branch was seen to be.
    public enum Reading: Hashable, Sendable {
        /// It has committed, as its evidence proves.
        case committed
        /// It is prepared.
        case open
        /// Nobody answers, or nothing proves what it is.
        case silent
    }

    /// The branches that have not been looked at.
    private var unseen: [Int] = []

    /// Nothing has been looked at yet.
    public init() {}

    /// This is recorded or known; `isRecorded`: durably, as a write of one's own has shown.
    public mutating func read(
        _ state: TransactionState, _ branches: [Branch], isRecorded: Bool
    ) -> Next {
        switch state {
        case .active, .preparing, .aborting, .committed: return .tell(state)
        case .aborted, .needsOperator: return isRecorded ? .tell(state) : .confirmRow
        case .committing where branches.contains(where: \.isHeuristic):
            // It has not ended as decided, whatever is seen of the others; the record tells how.
            return .tell(.committing)
        case .committing:
            unseen = branches.indices.filter { !branches[$0].isProvedByDecision }
            return next
        }
    }

    /// The branch was looked at.
    ///
    /// One that is still prepared was so when the look was taken, so that nobody had been told
    /// "committed" before. Where a participant does not answer, the record is all that can tell; the
    /// row was read before the look, and it may be there by now.
    public mutating func saw(_ reading: Reading) -> Next {
        switch reading {
        case .committed:
            unseen.removeFirst()
            return next
        case .open: return .tell(.committing)
        case .silent: return .awaitRecord
        }
    }

    private var next: Next { unseen.first.map { .look(branch: $0) } ?? .tell(.committed) }

    /// Whether a state may be told by whoever reached it before it is recorded.
    public static func isReportedAhead(_ state: TransactionState) -> Bool {
        switch state {
        case .active, .preparing, .committing, .aborting, .committed: true
        case .aborted, .needsOperator: false
        }
    }
}
