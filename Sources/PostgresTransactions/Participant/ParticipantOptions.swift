public import PostgresClient

/// How to use one participant.
public struct ParticipantOptions: Sendable {
    /// The registered name.
    public var name: String
    /// Where it is.
    public var connection: ConnectionOptions
    /// Working sessions, at most.
    public var poolSize = 12
    /// Sessions that end prepared transactions, apart from the working ones, so that no end waits for
    /// work.
    public var finishers = 4
    /// `statement_timeout` of working sessions.
    public var statementTimeout: Duration = .seconds(30)
    /// `lock_timeout` of working sessions.
    public var lockTimeout: Duration = .seconds(5)
    /// The bound on making a connection.
    public var connectTimeout: Duration = .seconds(3)
    /// Branches prepared here at once, at most; nil for `max_prepared_transactions`.
    public var preparedSlots: Int?
    /// Whether each branch writes a row that proves its commit; see `docs/CONFIGURATION.md`.
    public var hasWitness = false
    /// Whether a journal of decisions is kept there; it is the commit point of transactions that write there.
    public var journal = false
    /// Rows that one branch may return.
    public var resultRowsMax = 1000
    /// Bytes that one branch may return.
    public var resultBytesMax = 1_048_576
    /// Receives the events of the participant's connection pools.
    public var poolObserver: (any ConnectionPoolObserver)?

    /// Makes options with the defaults.
    public init(name: String, connection: ConnectionOptions) {
        self.name = name
        self.connection = connection
    }
}
