/// One database's part of a transaction: the database and the work to do there.
///
/// ```swift
/// let users = Participant(usersDatabase) { tx in
///     try await tx.execute("INSERT INTO users (id, name) VALUES ($1, $2)", id, name)
/// }
/// ```
///
/// A participant only describes work. It can be run several times; each run calls the closure once,
/// or once more for each of its retries.
public struct Participant<Value: Sendable>: Sendable {
    /// The database to work in, one of the coordinator's.
    public let database: Database
    /// Whether the participant writes nothing; PostgreSQL rejects its writes, and it is not prepared.
    public let isReadOnly: Bool
    let work: Work

    enum Work: Sendable {
        case closure(@Sendable (Transaction) async throws -> Value)
        /// Statements, and the value to return for all of them.
        case statements([SQLStatement], Value)
    }

    /// Makes a participant from a database and a closure.
    ///
    /// The closure may read, decide and write. It runs on the global executor, or on
    /// ``Coordinator/Configuration/executorPreference``, in a task that is cancelled if the
    /// transaction aborts. An error that it throws aborts the transaction and is the cause in the
    /// error of ``Coordinator/run(_:order:isolation:within:retries:)``. A failed statement aborts the
    /// transaction even if the closure catches its error. The caller receives the returned value
    /// only if the transaction commits.
    public init(
        _ database: Database, isReadOnly: Bool = false,
        work: @escaping @Sendable (Transaction) async throws -> Value
    ) {
        self.init(database, isReadOnly: isReadOnly, .closure(work))
    }

    private init(_ database: Database, isReadOnly: Bool, _ work: Work) {
        self.database = database
        self.isReadOnly = isReadOnly
        self.work = work
    }

    /// The same participant without its value, for arrays of participants of different types.
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
    /// Makes a participant from a database and statements that are known in advance.
    ///
    /// ```swift
    /// let users = Participant(usersDatabase, statements: [
    ///     SQLStatement("INSERT INTO users (id, name) VALUES ($1, $2)", id, name)
    /// ])
    /// ```
    ///
    /// This is the cheapest participant: one round trip from BEGIN to PREPARE, where a closure needs
    /// one per call and one more. A statement that fails, or affects another number of rows than
    /// expected, aborts the transaction. The rows that statements return are discarded.
    public init(
        _ database: Database, isReadOnly: Bool = false, statements: [SQLStatement]
    ) {
        self.init(database, isReadOnly: isReadOnly, .statements(statements, ()))
    }
}

/// Whether the participants of a transaction work at once or in turn.
public enum ExecutionOrder: Sendable, Hashable {
    /// All at once.
    case parallel
    /// One after the other; each starts when the one before it is prepared.
    case sequential
}

/// The isolation from other transactions in each database.
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
