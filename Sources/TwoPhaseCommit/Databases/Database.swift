/// A PostgreSQL database that can take part in transactions, and how to use it.
///
/// A coordinator is given all of its databases at once, since it has to look after each of them
/// also when no transaction is running. The database needs PostgreSQL 15 or later and a
/// `max_prepared_transactions` above zero.
public struct Database: Sendable {
    /// The name under which the coordinator knows the database.
    ///
    /// It is recorded with every transaction. Coordinators and servers that share a state database
    /// must give one database one name.
    public let name: String
    /// Where it is: `host=... dbname=... user=...` or `postgresql://...`, as libpq reads it.
    ///
    /// Of several hosts (`host=one,two`) the first that takes writes, and is no former primary, is used;
    /// together they have the time of ``connectTimeout``. What is not said here comes from libpq's
    /// environment variables and its password file.
    public var connectionString: String
    /// Sessions that work, at most; a transaction has one in each of its databases until it is
    /// prepared.
    public var connections = 12
    /// Sessions that end prepared transactions; apart from the others, so that ending never waits
    /// for work.
    public var finishingConnections = 4
    /// The bound on making a connection.
    public var connectTimeout: Duration = .seconds(3)
    /// PostgreSQL's `statement_timeout` in sessions that work.
    public var statementTimeout: Duration = .seconds(30)
    /// PostgreSQL's `lock_timeout` in sessions that work.
    public var lockTimeout: Duration = .seconds(5)
    /// Transactions that may be prepared here at once, at most; nil for the server's
    /// `max_prepared_transactions`.
    public var preparedTransactionsMax: Int?
    /// Keeps a journal of decisions here: the first participant of a run that writes here decides by
    /// its own COMMIT, together with the decision, and is not prepared.
    ///
    /// That is faster. It needs a decision log, and schema `tandem_participant` in the database, which
    /// is made at the start if the role may.
    public var keepsJournal = false
    /// Rows that one call may bring back: one statement, or all that are sent together.
    public var rowsMax = 100_000
    /// Bytes that one call may bring back.
    public var bytesMax = 64 << 20

    /// Makes a database of its name and its address.
    ///
    /// Nothing is connected, and the address is read only when the coordinator starts.
    public init(_ name: String, at connectionString: String) {
        self.name = name
        self.connectionString = connectionString
    }
}

extension Database: CustomStringConvertible, CustomReflectable {
    /// The name; the connection string may hold a password and is never shown.
    public var description: String { name }

    /// Shows what `description` shows.
    public var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}
