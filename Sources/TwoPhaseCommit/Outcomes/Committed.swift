/// The result of a transaction that commits in every database.
///
/// The decision is durable and cannot change.
public struct Committed<Value: Sendable>: Sendable {
    /// The transaction's id.
    public let id: TransactionID
    /// The values that the closures returned; `Void` for a participant of statements.
    public let value: Value
    /// The databases that have not confirmed COMMIT PREPARED yet; usually none.
    ///
    /// With a decision log, this or another coordinator commits them. Without one, an unconfirmed
    /// database is an error: ``TransactionError/committed(_:)``.
    public let unconfirmed: [UnconfirmedBranch]
}

/// A participant's branch whose commit is decided but not confirmed.
public struct UnconfirmedBranch: Sendable, Hashable {
    /// The participant's index in the run.
    public let participant: Int
    /// The database's name.
    public let database: String
    /// The name of the prepared transaction in that database.
    public let preparedTransaction: String
    /// The outcome that was found instead of a commit, or the last error, if any.
    public let finding: String?
}

/// The identity of a transaction, as it appears in logs and in ``Coordinator/status(of:)``.
public struct TransactionID: Sendable, Hashable, LosslessStringConvertible {
    /// The text form.
    public let description: String

    /// Makes an id from its text form, without checking it.
    public init(_ description: String) {
        self.description = description
    }
}

/// The status of a transaction.
public enum TransactionStatus: Sendable, Hashable {
    /// No decision yet; the deadline ends this state.
    case undecided
    /// The decision is commit, and at least one database has not confirmed it yet.
    case committing
    /// Every database has committed.
    case committed
    /// The decision is abort: nothing is committed in any database, nor ever will be.
    case aborted
    /// A database finished its branch against the decision, or nothing proves how it was finished.
    ///
    /// An operator has to resolve it. The coordinator may still be finishing other branches.
    case needsOperator
}
