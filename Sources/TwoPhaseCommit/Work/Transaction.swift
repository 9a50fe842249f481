import TransactionEngine

/// The open transaction in one database, lent to the closure of a ``Participant``.
///
/// Statements run one after the other, each in a round trip, or several of them in one with
/// ``execute(_:)``; the first takes BEGIN with it. After the closure has returned the transaction is
/// over, and every use of it throws ``BranchError/Code-swift.enum/transactionIsOver``.
///
/// Parameters are `$1`, `$2`... and are sent apart from the SQL. `BEGIN`, `COMMIT`, `SAVEPOINT` and
/// their like are refused: the coordinator alone begins and ends.
public struct Transaction: Sendable {
    private let branch: any OpenBranch

    init(_ branch: any OpenBranch) {
        self.branch = branch
    }

    /// Runs a statement and answers how many rows it has changed, or returned.
    @discardableResult
    public func execute(
        _ sql: String, _ parameters: (any SQLValue)?...
    ) async throws(BranchError) -> Int {
        try await run(sql, parameters).count
    }

    /// Runs statements in order, all in one round trip, and answers how many rows each has changed,
    /// or returned.
    ///
    /// After one that fails none of those behind it runs. What they return together has to be within
    /// ``Database/rowsMax`` and ``Database/bytesMax``.
    @discardableResult
    public func execute(_ statements: [SQLStatement]) async throws(BranchError) -> [Int] {
        try await run(statements.map { $0.statement }).map { $0.count }
    }

    /// Runs a statement and answers its rows.
    public func query(
        _ sql: String, _ parameters: (any SQLValue)?...
    ) async throws(BranchError) -> Rows {
        Rows(try await run(sql, parameters))
    }

    /// Runs statements as ``execute(_:)`` does, and answers the rows of each.
    public func query(_ statements: [SQLStatement]) async throws(BranchError) -> [Rows] {
        try await run(statements.map { $0.statement }).map { Rows($0) }
    }

    /// Runs a statement and answers its rows as values of a `Decodable` type, whose keys are the
    /// names of the columns.
    ///
    /// A type of a single value, such as `Int` or an array, takes the only column. A property that is
    /// no ``SQLColumn`` is decoded from JSON. Of two columns of one name the first is read. What does not
    /// fit throws ``BranchError/Code-swift.enum/unreadableValue``.
    public func query<Value: Decodable & Sendable>(
        _ sql: String, _ parameters: (any SQLValue)?..., as type: Value.Type
    ) async throws(BranchError) -> [Value] {
        let rows = Rows(try await run(sql, parameters))
        var values: [Value] = []
        values.reserveCapacity(rows.count)
        for row in rows { values.append(try row.decode(type)) }
        return values
    }

    /// Runs a statement and answers its rows as tuples, whose elements are the columns in order:
    /// `as: (Int, String?).self`.
    ///
    /// As many columns as elements, or it throws ``BranchError/Code-swift.enum/unreadableValue``.
    public func query<First: SQLColumn, Second: SQLColumn, each Other: SQLColumn>(
        _ sql: String, _ parameters: (any SQLValue)?...,
        as type: (First, Second, repeat each Other).Type
    ) async throws(BranchError) -> [(First, Second, repeat each Other)] {
        let rows = Rows(try await run(sql, parameters))
        var tuples: [(First, Second, repeat each Other)] = []
        tuples.reserveCapacity(rows.count)
        for row in rows { tuples.append(try row.decode(type)) }
        return tuples
    }

    private func run(
        _ sql: String, _ parameters: [(any SQLValue)?]
    ) async throws(BranchError) -> StatementResult {
        let texts = parameters.map { $0?.sqlText }
        return try await run([Statement(sql: sql, parameters: texts)])[0]
    }

    private func run(
        _ statements: [Statement]
    ) async throws(BranchError) -> [StatementResult] {
        do throws(OpenBranchError) {
            return try await branch.execute(statements)
        } catch {
            throw BranchError(error)
        }
    }
}

extension StatementResult {
    /// Rows changed, or returned where it changes none.
    fileprivate var count: Int { affectedRows ?? rows.count }
}
