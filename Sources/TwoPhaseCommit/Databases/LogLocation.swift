/// Where a coordinator records its decisions before it acts on them.
public enum LogLocation: Sendable {
    /// In the schema `tandem` of a PostgreSQL database; the coordinator's start migrates it.
    ///
    /// Any number of coordinators and tandem servers may share it. If one of them fails, its next
    /// incarnation or another one finishes its transactions.
    case database(StateDatabase)
    /// Nowhere: a crash of the program can leave prepared transactions behind.
    ///
    /// An operator ends them with `tandem logless`. While the program runs, the same rules hold as
    /// with a log.
    case logless

    /// The database that holds the decision log.
    public struct StateDatabase: Sendable {
        /// The address as libpq reads it; see ``Database/connectionString``.
        public var connectionString: String
        /// This coordinator's name among all that share the database.
        ///
        /// A process that starts under a name takes over the transactions of the process that had it,
        /// and supersedes that process if it still runs. Running processes must not share a name.
        public var replica: String
        /// How long to wait for an answer before the connection counts as lost.
        public var timeout: Duration = .seconds(5)
        /// How long a coordinator may be silent before others take over its transactions.
        public var lease: Duration = .seconds(10)
        /// How long records of finished transactions are kept.
        public var retention: Duration = .seconds(7 * 24 * 3600)

        /// Makes a state database from its address and this coordinator's name.
        public init(at connectionString: String, replica: String) {
            self.connectionString = connectionString
            self.replica = replica
        }
    }
}

extension LogLocation.StateDatabase: CustomStringConvertible, CustomReflectable {
    /// The replica's name; never the connection string, which may hold a password.
    public var description: String { "state database of \(replica)" }

    /// The replica's name only.
    public var customMirror: Mirror { Mirror(self, children: ["replica": replica]) }
}
