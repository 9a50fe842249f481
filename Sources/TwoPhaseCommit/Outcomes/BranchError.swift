/// What went wrong in one database: a statement, or the PREPARE after the work.
public struct BranchError: Error, Sendable, Hashable {
    /// The kind of failure.
    public enum Code: String, Sendable, Hashable {
        /// PostgreSQL refused a statement.
        case statementFailed
        /// A statement has changed or returned another number of rows than it was to.
        case unexpectedRows
        /// The statement can be part of no branch, and was not sent.
        case unacceptableStatement
        /// More rows or bytes came back than may.
        case resultTooLarge
        /// It waits for a lock that another participant of the same run holds in the same database, and
        /// keeps until both have ended: use one participant for both.
        case blockedByItself
        /// A value that came back cannot be read as the type that was asked for.
        case unreadableValue
        /// The connection was lost.
        case connectionLost
        /// The work was cancelled, because the whole is to be aborted.
        case cancelled
        /// The transaction was used after its closure had returned, or its time was over.
        case transactionIsOver
        /// The closure returned while a statement of its own was still running.
        case statementStillRunning
        /// What was done cannot be part of a prepared transaction (temporary tables, NOTIFY, ...).
        case cannotBePrepared
        /// A deferred constraint, or a trigger's deferred code, failed when the work had ended.
        case constraintAtPrepare
        /// The server has no room for another prepared transaction.
        case preparedTransactionsExhausted
        /// `max_prepared_transactions` is zero.
        case preparedTransactionsDisabled
        /// The wait for a standby was cut short: prepared, and perhaps not safely.
        case notDurable
        /// It was declared read only, and has written.
        case wroteWhileReadOnly
        /// PREPARE, or the COMMIT of what is not prepared, failed for another reason.
        case prepareFailed
    }

    /// The kind of failure.
    public let code: Code
    /// The statement that is to blame, counted from 0 within its participant; nil if none is, or none
    /// can be told from the others.
    public let statement: Int?
    /// What PostgreSQL said, if it said anything.
    public let server: ServerError?
    /// One sentence of our own.
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

/// An error as PostgreSQL reports it.
///
/// Texts have at most 8192 bytes, names 256; of a longer one this is the start, and how long it was.
public struct ServerError: Sendable, Hashable {
    /// The five characters of SQLSTATE.
    public let sqlState: String
    /// The primary message; it may hold values of the statement.
    public let message: String
    /// The detail, if any; it may hold values of the statement or of rows.
    public let detail: String?
    /// The hint, if any.
    public let hint: String?
    /// The place in the statement, in characters from 1, if any.
    public let position: Int?
    /// The functions that raised it, innermost first, if any did; it may hold values as well.
    public let context: String?
    /// The schema of the object concerned, if any.
    public let schema: String?
    /// The table concerned, if any.
    public let table: String?
    /// The column concerned, if any.
    public let column: String?
    /// The constraint that was violated, if any.
    public let constraint: String?

    init(
        sqlState: String, message: String, detail: String? = nil, hint: String? = nil,
        position: Int? = nil, context: String? = nil, schema: String? = nil, table: String? = nil,
        column: String? = nil, constraint: String? = nil
    ) {
        self.sqlState = sqlState
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.context = context
        self.schema = schema
        self.table = table
        self.column = column
        self.constraint = constraint
    }
}

extension BranchError: CustomStringConvertible {
    /// What went wrong, with PostgreSQL's own words; these may hold values of the statement.
    public var description: String {
        guard let server else { return message }
        return "\(message): \(server.message) (SQLSTATE \(server.sqlState))"
    }
}
