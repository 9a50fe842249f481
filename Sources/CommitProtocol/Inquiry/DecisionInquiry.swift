/// What may be told of a transaction that somebody else drives, and what is looked at before.
///
/// The order of the looks is the argument. A decision is in its register before anybody tells it,
/// and leaves the register only after the row durably says the same. So the row comes first, then
/// the register, then the row again: what is in none of them, looked at in this order, was not
/// decided when the first look was taken, and "undecided" takes nothing back.
public struct DecisionInquiry: Hashable, Sendable {
    /// What is looked at next, or the end.
    public enum Next: Hashable, Sendable {
        /// The row, by a durable write of one's own: a decision that was only read may be visible
        /// and not yet as durable as it has to be.
        case confirmRow
        /// The register.
        case readCommitPoint
        /// The row, once more.
        case readRow
        /// This may be told; nil is "undecided".
        case tell(Decision?)
        /// Nobody can say: the register may hold what others have told.
        case unknown
    }

    /// What a row says.
    public struct Row: Hashable, Sendable {
        /// The decision, or the copy of it.
        public let decision: Decision?
        /// Nothing of it changes any more but by an operator: it has ended, or waits for one.
        public let isSettled: Bool
        /// A register may have decided, if the row holds no decision.
        ///
        /// Not where the row is still that of the owner itself, who has asked for nothing: others
        /// claim the row before they ask.
        public let namesCommitPoint: Bool

        /// Makes it of its parts.
        public init(decision: Decision?, isSettled: Bool, namesCommitPoint: Bool) {
            self.decision = decision
            self.isSettled = isSettled
            self.namesCommitPoint = namesCommitPoint
        }
    }

    /// What a register was seen to hold.
    public enum Reading: Hashable, Sendable {
        /// This decision, durably.
        case holds(Decision)
        /// None, or none any more.
        case nothing
        /// It does not say.
        case silent
    }

    /// Whether the register held nothing.
    private var hasRead = false

    /// Nothing has been looked at yet; the first look is at the row.
    public init() {}

    /// The row was read; `isConfirmed` by a durable write of one's own.
    ///
    /// What has ended needs no such write: its owner acted on a durable decision.
    public func read(_ row: Row, isConfirmed: Bool) -> Next {
        if row.isSettled { return .tell(row.decision) }
        if row.decision != nil { return isConfirmed ? .tell(row.decision) : .confirmRow }
        return row.namesCommitPoint && !hasRead ? .readCommitPoint : .tell(nil)
    }

    /// The register was looked at.
    public mutating func saw(_ reading: Reading) -> Next {
        switch reading {
        case .holds(let decision): return .tell(decision)
        case .silent: return .unknown
        case .nothing:
            hasRead = true
            return .readRow
        }
    }
}
