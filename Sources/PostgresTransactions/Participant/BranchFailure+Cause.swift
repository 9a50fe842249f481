import PostgresClient
import TransactionEngine

/// Why the end of a branch was refused, by who refuses it.
///
/// Code can raise every code: a trigger may say 53200 although there are slots. What is deferred runs
/// before, at `SET CONSTRAINTS ALL IMMEDIATE`; but code that runs there may defer again, and then runs
/// within PREPARE or COMMIT.
extension BranchFailure.Kind {
    /// Why PREPARE TRANSACTION was refused.
    init(ofPrepare message: ServerMessage) {
        self =
            switch (message.routine, message.state) {
            case _ where message.isFromDeferred: .constraintAtPrepare
            // The one function that takes a slot.
            case ("MarkAsPreparing", .outOfMemory): .slotsExhausted
            case ("MarkAsPreparing", .objectNotInPrerequisiteState): .preparedTransactionsDisabled
            // Each part of PostgreSQL, and of its extensions, refuses what it cannot prepare.
            case (_, .featureNotSupported): .cannotBePrepared
            default: .prepare
            }
    }

    /// Why COMMIT was refused.
    init(ofCommit message: ServerMessage) {
        self = message.isFromDeferred ? .constraintAtPrepare : .commit
    }
}

extension ServerMessage {
    /// Whether a deferred constraint or code failed, and not the command that it ran within.
    ///
    /// PostgreSQL checks constraints without any code, and names the one that is violated.
    fileprivate var isFromDeferred: Bool { isFromCode || constraint != nil }
}
