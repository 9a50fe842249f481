/// What is known of a transaction.
public enum TransactionStatus: Sendable, Hashable {
    /// Nothing is decided; it ends by itself at its deadline at the latest.
    case undecided
    /// Decided to commit; some database has not confirmed yet.
    case committing
    /// Committed in every database.
    case committed
    /// Decided to abort, or aborted: nothing of it is committed, nor ever will be.
    case aborted
    /// Some database has ended its part against the decision, or nothing proves how: an operator has
    /// to look. Other databases may still be ending theirs.
    case needsOperator
}
