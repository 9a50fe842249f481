/// Decides whether a replica may report a decision of a transaction that another replica owns.
///
/// The order of the reads is the argument. The commit point holds a decision before anyone reports
/// it, and drops it only after the row durably holds the same. So the row is read first, then the
/// commit point, then the row again. A decision that none of these reads finds was not made when the
/// first read began, so reporting "undecided" contradicts no earlier report.
package struct DecisionInquiry: Hashable, Sendable {
    /// The next step of an inquiry.
    package enum Next: Hashable, Sendable {
        /// Confirm the row by a durable write: a decision that was only read may not be durable yet.
        case confirmRow
        /// Read the commit point.
        case readCommitPoint
        /// Read the row once more.
        case readRow
        /// Report this decision; nil is "undecided".
        case report(Decision?)
        /// Report that the outcome is unknown: the commit point may hold a reported decision.
        case unknown
    }

    /// The content of a row.
    package struct Row: Hashable, Sendable {
        /// The decision, or the copy of it.
        package let decision: Decision?
        /// Whether only an operator can still change it: it is finished, or needs an operator.
        package let isSettled: Bool
        /// Whether a commit point may have decided, if the row holds no decision.
        ///
        /// False if this replica owns the row and has requested no decision: other replicas claim
        /// the row before they request one.
        package let mustReadCommitPoint: Bool

        package init(decision: Decision?, isSettled: Bool, mustReadCommitPoint: Bool) {
            self.decision = decision
            self.isSettled = isSettled
            self.mustReadCommitPoint = mustReadCommitPoint
        }
    }

    /// The content of a commit point.
    package enum Reading: Hashable, Sendable {
        /// This decision, durably.
        case holds(Decision)
        /// No decision, or no longer one.
        case nothing
        /// The commit point did not answer.
        case silent
    }

    private var foundNoDecision = false

    /// Starts an inquiry, which reads the row first.
    package init() {}

    /// Returns the next step after reading the row; `isConfirmed` by a durable write of the reader's.
    ///
    /// A settled row needs no such write: its owner acted on a durable decision.
    package func read(_ row: Row, isConfirmed: Bool) -> Next {
        if row.isSettled { return .report(row.decision) }
        if row.decision != nil { return isConfirmed ? .report(row.decision) : .confirmRow }
        return row.mustReadCommitPoint && !foundNoDecision ? .readCommitPoint : .report(nil)
    }

    /// Returns the next step after reading the commit point.
    package mutating func read(_ reading: Reading) -> Next {
        switch reading {
        case .holds(let decision): return .report(decision)
        case .silent: return .unknown
        case .nothing:
            foundNoDecision = true
            return .readRow
        }
    }
}
