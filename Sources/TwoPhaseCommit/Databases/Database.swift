/// A PostgreSQL database that can take part in transactions, and its limits.
///
/// A coordinator gets all of its databases at once, since it also finishes transactions in them while
/// no run is active. The server needs PostgreSQL 15 or later and a `max_prepared_transactions` above 0.
public struct Database: Sendable {
    /// The coordinator's name for the database.
    ///
    /// Every transaction records it. Coordinators and servers that share a state database must use
    /// the same name for the same database.
    public let name: String
    /// The address as libpq reads it: `host=... dbname=... user=...` or `postgresql://...`.
    ///
    /// Of several hosts (`host=one,two`) the coordinator uses the first that accepts writes and is no
    /// former primary; ``connectTimeout`` covers them all. Missing values come from libpq's
    /// environment variables and password file.
    public var connectionString: String
    /// The maximum number of working sessions; each transaction holds one per participant until PREPARE.
    public var connections = 12
    /// The maximum number of working sessions for transactions that queue for the same locks; nil for
    /// half of ``connections``.
    ///
    /// All but one of them only wait, so more sessions would make none of them faster, while other
    /// transactions would find none. Transactions with the same statements and parameter values count;
    /// closures are never counted among them.
    public var contendedConnectionsMax: Int?
    /// The maximum number of sessions that finish prepared transactions.
    ///
    /// They are separate, so that finishing a transaction never waits for the work of others.
    public var finishingConnections = 4
    /// The time limit for opening a connection.
    public var connectTimeout: Duration = .seconds(3)
    /// PostgreSQL's `statement_timeout` in working sessions; zero for none.
    public var statementTimeout: Duration = .seconds(30)
    /// PostgreSQL's `lock_timeout` in working sessions; zero for none.
    public var lockTimeout: Duration = .seconds(5)
    /// The maximum number of prepared transactions here; nil for the server's
    /// `max_prepared_transactions`.
    public var preparedTransactionsMax: Int?
    /// Whether this database keeps a journal of decisions.
    ///
    /// The first participant of a transaction that writes here is then the commit point: its own COMMIT
    /// writes the decision, and it is not prepared. This is faster. It needs a decision log, and the
    /// schema `tandem_participant` in this database, which the start creates if the role may.
    public var keepsJournal = false
    /// The maximum number of rows that one call returns, over all of its statements.
    public var rowsMax = 100_000
    /// The maximum number of bytes that one call returns.
    public var bytesMax = 64 << 20

    /// Makes a database from its name and its address.
    ///
    /// The coordinator reads the address when it starts.
    public init(_ name: String, at connectionString: String) {
        self.name = name
        self.connectionString = connectionString
    }
}

extension Database: CustomStringConvertible, CustomReflectable {
    /// The name; never the connection string, which may hold a password.
    public var description: String { name }

    /// The name only.
    public var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}
