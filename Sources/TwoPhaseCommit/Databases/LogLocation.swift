/// Where a coordinator writes its decisions before it acts on them.
public enum LogLocation: Sendable {
    /// In schema `tandem` of a PostgreSQL database, which is brought up to date when the coordinator
    /// starts.
    ///
    /// Any number of coordinators, and tandem servers, may share it. What one of them leaves behind
    /// is finished by its next life or by another.
    case database(StateDatabase)
    /// Nowhere: a crash of the program may leave prepared transactions behind, which an operator has
    /// to end with `tandem logless`.
    ///
    /// As long as the program lives, the same rules hold as with a log.
    case logless
}

/// The database that holds the decision log.
public struct StateDatabase: Sendable {
    /// Where it is, as libpq reads it; see ``Database/connectionString``.
    public var connectionString: String
    /// This coordinator's name among all that share the database.
    ///
    /// A process that starts under a name takes the work over that was left under it, and
    /// supersedes an older one that still runs. Two processes must never share one.
    public var replica: String
    /// An answer that takes longer counts as lost.
    public var timeout: Duration = .seconds(5)
    /// After so long a silence the work of a coordinator is taken over by others.
    public var lease: Duration = .seconds(10)
    /// For how long the records of finished transactions are kept.
    public var retention: Duration = .seconds(7 * 24 * 3600)

    /// Makes a state database of its address and this coordinator's name.
    public init(at connectionString: String, replica: String) {
        self.connectionString = connectionString
        self.replica = replica
    }
}

extension StateDatabase: CustomStringConvertible, CustomReflectable {
    /// The replica's name; the connection string may hold a password and is never shown.
    public var description: String { "state database of \(replica)" }

    /// Shows what `description` shows.
    public var customMirror: Mirror { Mirror(self, children: ["replica": replica]) }
}
