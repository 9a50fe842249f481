package import PostgresClient

/// What the sessions of a connection pool are for.
package enum PoolPurpose: String, Sendable, Hashable, CaseIterable {
    /// Callers' work.
    case work
    /// The ends of branches.
    case finish
    /// Reading statuses.
    case read
}

/// How to use one participant.
package struct ParticipantOptions: Sendable {
    /// The registered name.
    package var name: String
    /// Where it is.
    package var connection: ConnectionOptions
    /// Working sessions, at most.
    package var poolSize = 12
    /// Working sessions that transactions with contended branches may use together; nil for half of them.
    ///
    /// See `ContendedSessions`.
    package var contendedSessions: Int?
    /// Sessions that end prepared transactions, apart from the working ones, so that no end waits for
    /// work.
    package var finishers = 4
    /// `statement_timeout` of working sessions.
    package var statementTimeout: Duration = .seconds(30)
    /// `lock_timeout` of working sessions.
    package var lockTimeout: Duration = .seconds(5)
    /// The bound on making a connection.
    package var connectTimeout: Duration = .seconds(3)
    /// Branches prepared here at once, at most; nil for `max_prepared_transactions`.
    package var preparedSlots: Int?
    /// Whether each branch writes a row that proves its commit; see `docs/CONFIGURATION.md`.
    package var hasWitness = false
    /// Whether a journal of decisions is kept there; it is the commit point of transactions that write there.
    package var journal = false
    /// Between two readings of what on the server can undo two-phase commit.
    package var hazardInterval: Duration = .seconds(60)
    /// Whether the role may have rights that callers' SQL should not have; see `ExcessRights`.
    ///
    /// The library's callers are the program itself, so it has the last word.
    package var allowsPrivilegedRole = true
    /// Rows that one branch may return.
    package var resultRowsMax = 1000
    /// Bytes that one branch may return.
    package var resultBytesMax = 1_048_576
    /// Makes the observer of one of the participant's connection pools.
    package var observePool: (@Sendable (PoolPurpose) -> any ConnectionPoolObserver)?

    /// The same with the default: at least one, or such a transaction could never work.
    package var contendedSessionsMax: Int { contendedSessions ?? max(1, poolSize / 2) }

    /// Makes options with the defaults.
    package init(name: String, connection: ConnectionOptions) {
        self.name = name
        self.connection = connection
    }
}
