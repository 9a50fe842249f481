package import CommitProtocol

/// An operator's word about a branch that could not be finished or proved.
package struct Resolution: Sendable, Hashable {
    /// What happened to the branch, or what is to happen to it.
    package enum Action: String, Sendable, Hashable, CaseIterable {
        /// It is committed.
        case committed
        /// It is rolled back.
        case rolledBack

        /// The decision that agrees with it.
        package var decision: Decision { self == .committed ? .commit : .abort }
    }

    /// The branch's number.
    package let branch: Int
    /// What the operator says.
    package let action: Action
    /// Who says so.
    package let actor: String
    /// Why.
    package let reason: String
    /// Whether the operator insists although it contradicts what is recorded, or cannot be checked.
    package let isForced: Bool
    /// Whether it orders how the branch is to be finished, and proves nothing; otherwise it states how the
    /// branch was finished, and tandem believes it.
    package var isOrder = false
    /// What was known before: the outcome or the state.
    package var found = ""
    /// When it was recorded.
    package var at: Timestamp = 0

    /// Makes a resolution that is not recorded yet.
    package init(branch: Int, action: Action, actor: String, reason: String, isForced: Bool) {
        self.branch = branch
        self.action = action
        self.actor = actor
        self.reason = reason
        self.isForced = isForced
    }
}

/// What became of a resolution.
package enum ResolutionAnswer: Sendable {
    /// There is neither a row nor a prepared transaction of that name.
    case notFound
    /// The transaction is no longer as the operator saw it.
    case changed
    /// It is refused, for this reason.
    case refused(String)
    /// It is recorded, and this is the transaction now.
    case recorded(TransactionRecord)
    /// It is recorded, and the prepared transaction of a finished row is finished; or a prepared
    /// transaction without a row has a decided one now, and is finished like any other.
    case ended
    /// It is recorded, and the prepared transaction of a finished row could not be finished, for this
    /// reason; nothing tries it again.
    case pending(String)
}

/// A change of a row by a resolution, written together with its record.
package enum ResolutionChange: Sendable, Hashable {
    /// A finished row's branch gets this outcome, and the row this state.
    ///
    /// `isLast`: every branch that waited for an operator has been resolved now.
    case outcome(Outcome, TransactionState, isLast: Bool)
    /// An undecided row that was held gets this decision.
    case decision(Decision)
    /// A row with this decision is inserted, unless one exists by now.
    case insert(Decision)
    /// The row stays as it is, apart from the count of resolutions.
    case note
}

/// The transactions that wait for an operator.
package struct OperatorQueue: Sendable, Hashable {
    /// How many there are.
    package let count: Int
    /// The one that has waited longest.
    package let oldest: GlobalTransactionID
    /// Since when it has.
    package let since: Timestamp

    package init(count: Int, oldest: GlobalTransactionID, since: Timestamp) {
        self.count = count
        self.oldest = oldest
        self.since = since
    }
}
