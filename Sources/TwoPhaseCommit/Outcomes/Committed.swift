/// A transaction that is committed.
///
/// Every part of it is, or will be: the decision cannot change any more.
public struct Committed<Value: Sendable>: Sendable {
    /// The transaction's id.
    public let id: TransactionID
    /// What the closures returned; nothing, of a participant of statements.
    public let value: Value
    /// The databases in which COMMIT PREPARED has not been confirmed yet; nearly always none.
    ///
    /// With a decision log they are ended in any case, if need be by another coordinator. Without
    /// one an unconfirmed database is an error: ``TransactionError/committed(_:)``.
    public let unconfirmed: [UnconfirmedBranch]
}

/// A branch that is to be committed, and is not known to be.
public struct UnconfirmedBranch: Sendable, Hashable {
    /// The participant's number in the run, from 0.
    public let participant: Int
    /// The database's name.
    public let database: String
    /// The name of the prepared transaction there.
    public let preparedTransaction: String
    /// What was found instead of the end, or the last failure, if there is one.
    public let finding: String?
}
