/// One database's part of a transaction: where, and what to do there.
///
/// ```swift
/// let users = Participant(usersDatabase) { tx in
///     try await tx.execute("INSERT INTO users (id, name) VALUES ($1, $2)", id, name)
/// }
/// ```
///
/// A participant is a description, and nothing happens before it is run. It can be run again: every
/// run calls the closure once.
public struct Participant<Value: Sendable>: Sendable {
    /// The database to work in; one of the coordinator's.
    public let database: Database
    /// Whether it is declared to write nothing; PostgreSQL then refuses any write, and nothing has
    /// to be prepared.
    public let isReadOnly: Bool
    let work: Work

    /// What there is to do.
    enum Work: Sendable {
        case closure(@Sendable (Transaction) async throws -> Value)
        /// Statements, and what they answer together.
        case statements([SQLStatement], Value)
    }

    /// Makes a participant of a database and a closure.
    ///
    /// The closure may read, decide and write. It runs on the global executor, or the one that
    /// ``Configuration/executorPreference`` names, in a task that is cancelled when the whole is to
    /// be aborted. Whatever it throws aborts the whole and is the cause of the error that
    /// ``Coordinator/run(_:order:isolation:within:)`` throws; so does a statement that failed, even
    /// if the closure caught its error. What it returns is handed out only if the whole is
    /// committed.
    public init(
        _ database: Database, isReadOnly: Bool = false,
        work: @escaping @Sendable (Transaction) async throws -> Value
    ) {
        self.database = database
        self.isReadOnly = isReadOnly
        self.work = .closure(work)
    }

    private init(_ database: Database, isReadOnly: Bool, _ work: Work) {
        self.database = database
        self.isReadOnly = isReadOnly
        self.work = work
    }

    /// The same work without its value, so that participants of different kinds fit in one array.
    public var discardingValue: Participant<Void> {
        switch work {
        case .closure(let body):
            Participant<Void>(database, isReadOnly: isReadOnly) { transaction in
                _ = try await body(transaction)
            }
        case .statements(let statements, _):
            Participant<Void>(database, isReadOnly: isReadOnly, .statements(statements, ()))
        }
    }
}

extension Participant<Void> {
    /// Makes a participant of a database and statements that are known beforehand.
    ///
    /// ```swift
    /// let users = Participant(usersDatabase, statements: [
    ///     SQLStatement("INSERT INTO users (id, name) VALUES ($1, $2)", id, name)
    /// ])
    /// ```
    ///
    /// All of it takes one round trip, from BEGIN to PREPARE, where a closure takes one for each call
    /// and one more; so this is the cheapest participant. A statement that fails aborts the whole, and so
    /// does one that changes another number of rows than it was to. What the statements return is
    /// not kept.
    public init(
        _ database: Database, isReadOnly: Bool = false, statements: [SQLStatement]
    ) {
        self.init(database, isReadOnly: isReadOnly, .statements(statements, ()))
    }
}

/// When the participants of a transaction do their work.
public enum Order: Sendable, Hashable {
    /// All at once.
    case parallel
    /// One after the other, each after the one before it has been prepared.
    case sequential
}

/// How strictly the work in each database is isolated from other transactions there.
///
/// There is no isolation between databases: see <doc:FailureSemantics>.
public enum IsolationLevel: Sendable, Hashable {
    /// `READ COMMITTED`
    case readCommitted
    /// `REPEATABLE READ`
    case repeatableRead
    /// `SERIALIZABLE`
    case serializable
}
