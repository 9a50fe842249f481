import PostgresClient
import TransactionEngine

/// Why PREPARE or COMMIT was refused, by the function of the server that refused it.
///
/// The SQLSTATE alone does not show it: a trigger can raise 53200 although there are slots. Deferred code
/// runs before, at `SET CONSTRAINTS ALL IMMEDIATE`; but it may defer again, and then runs within PREPARE or
/// COMMIT.
extension BranchFailure.Kind {
    /// Why PREPARE TRANSACTION was refused.
    init(ofPrepare message: ServerMessage) {
        self =
            switch (message.routine, message.state) {
            case _ where message.isFromDeferred: .constraintAtPrepare
            // Only this function takes a slot.
            case ("MarkAsPreparing", .outOfMemory): .slotsExhausted
            case ("MarkAsPreparing", .objectNotInPrerequisiteState): .preparedTransactionsDisabled
            // Each part of PostgreSQL, and each extension, refuses by itself what it cannot prepare.
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
    /// Whether a deferred constraint or deferred code failed, and not the command that ran it.
    ///
    /// PostgreSQL checks a constraint without any code, and then names it.
    fileprivate var isFromDeferred: Bool { isFromCode || constraint != nil }
}
