package import PostgresClient

/// How to use the state database.
package struct StateOptions: Sendable {
    /// Where it is.
    package var connection: ConnectionOptions
    /// This replica's name.
    package var replica: String
    /// The participants that this replica knows; others leave it the rows with participants that
    /// they do not know.
    package var participants: [String] = []
    /// Sessions for reads.
    package var readers = 2
    /// A flush or read that takes longer counts as lost.
    package var timeout: Duration = .seconds(5)
    /// Between two heartbeats.
    package var heartbeat: Duration = .seconds(2)
    /// If a replica is silent for longer, another one takes its work over.
    package var lease: Duration = .seconds(10)
    /// Accept a database that runs with `fsync = off`; for throwaway ones.
    package var allowsFsyncOff = false

    /// Between two readings of what on the server can make it lose decisions.
    package var hazardInterval: Duration = .seconds(60)
    /// Whether the role may have rights with which it could change decisions; see `ExcessRights`.
    package var allowsPrivilegedRole = true

    /// Whether a promoted standby has every commit.
    ///
    /// Then a new timeline of the same system loses nothing. A restore always may.
    package var isSynchronouslyReplicated = false

    /// Makes options with the defaults.
    package init(connection: ConnectionOptions, replica: String) {
        self.connection = connection
        self.replica = replica
    }
}
