public import PostgresClient

/// How to use the state database.
public struct StateOptions: Sendable {
    /// Where it is.
    public var connection: ConnectionOptions
    /// This replica's name.
    public var replica: String
    /// The participants that this replica knows; others leave it the rows with participants that
    /// they do not know.
    public var participants: [String] = []
    /// Sessions for reads.
    public var readers = 2
    /// A flush or read that takes longer counts as lost.
    public var timeout: Duration = .seconds(5)
    /// Between two heartbeats.
    public var heartbeat: Duration = .seconds(2)
    /// If a replica is silent for longer, another one takes its work over.
    public var lease: Duration = .seconds(10)
    /// Accept a database that runs with `fsync = off`; for throwaway ones.
    public var allowsFsyncOff = false

    /// Whether a promoted standby has every commit.
    ///
    /// Then a new timeline of the same system loses nothing. A restore always may.
    public var isSynchronouslyReplicated = false

    /// Makes options with the defaults.
    public init(connection: ConnectionOptions, replica: String) {
        self.connection = connection
        self.replica = replica
    }
}
