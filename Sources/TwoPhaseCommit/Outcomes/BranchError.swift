import TransactionEngine

/// The failure of one participant: of a statement, or of PREPARE after the work.
public struct BranchError: Error, Sendable, Hashable {
    /// The kind of failure.
    public enum Code: String, Sendable, Hashable {
        /// PostgreSQL reported an error for a statement.
        case statementFailed
        /// A statement changed or returned another number of rows than expected.
        case unexpectedRows
        /// The statement is not allowed in a participant, and was not sent.
        case unacceptableStatement
        /// The results exceed ``Database/rowsMax`` or ``Database/bytesMax``.
        case resultTooLarge
        /// A statement waits for a lock of another participant of the same transaction in the same
        /// database.
        ///
        /// That participant holds the lock until both have finished: use one participant for both.
        case blockedByItself
        /// It waited in a cycle of transactions that wait for each other's locks, and was chosen as the
        /// victim; the same work may succeed if it runs again.
        case deadlock
        /// A returned value cannot be read as the requested type.
        case unreadableValue
        /// The connection was lost.
        case connectionLost
        /// The work was cancelled because the transaction aborts.
        case cancelled
        /// The transaction was used after its closure had returned, or after its time limit.
        case transactionIsOver
        /// The closure returned while one of its statements was still running.
        case statementStillRunning
        /// The work cannot be prepared: it used temporary tables, NOTIFY or the like.
        case cannotBePrepared
        /// A deferred constraint or trigger failed at the end of the work.
        case constraintAtPrepare
        /// The server has no free slot for a prepared transaction.
        case preparedTransactionsExhausted
        /// The server has `max_prepared_transactions = 0`.
        case preparedTransactionsDisabled
        /// The server stopped waiting for a standby: the branch is prepared, but perhaps not durably.
        case notDurable
        /// The participant is declared read-only and has written.
        case wroteWhileReadOnly
        /// PREPARE failed for another reason, or COMMIT did in a participant that is not prepared.
        case prepareFailed
    }

    /// The kind of failure.
    public let code: Code
    /// The index of the failed statement within its participant; nil if no single statement failed.
    public let statement: Int?
    /// PostgreSQL's error, if it reported one.
    public let server: ServerError?
    /// One sentence, without the caller's values.
    public let message: String

    init(
        _ code: Code, _ message: String, statement: Int? = nil, server: ServerError? = nil
    ) {
        self.code = code
        self.message = message
        self.statement = statement
        self.server = server
    }
}

/// An error that PostgreSQL reported.
///
/// Texts longer than 8192 bytes and names longer than 256 are cut, and say how long they were.
public struct ServerError: Sendable, Hashable {
    private let report: BranchFailure.ServerReport

    init(_ report: BranchFailure.ServerReport) {
        self.report = report
    }

    /// The SQLSTATE, five characters.
    public var sqlState: String { report.sqlState }
    /// The primary message; it may contain values of the statement.
    public var message: String { report.message }
    /// The detail, if any; it may contain values of the statement or of rows.
    public var detail: String? { report.detail }
    /// The hint, if any.
    public var hint: String? { report.hint }
    /// The position in the statement, in characters from 1, if any.
    public var position: Int? { report.position }
    /// The functions that raised the error, innermost first, if any; it may contain values.
    public var context: String? { report.context }
    /// The schema of the object concerned, if any.
    public var schema: String? { report.schema }
    /// The table concerned, if any.
    public var table: String? { report.table }
    /// The column concerned, if any.
    public var column: String? { report.column }
    /// The violated constraint, if any.
    public var constraint: String? { report.constraint }
}

extension BranchError: CustomStringConvertible {
    /// The failure with PostgreSQL's message, which may contain values of the statement.
    public var description: String {
        guard let server else { return message }
        return "\(message): \(server.message) (SQLSTATE \(server.sqlState))"
    }
}
