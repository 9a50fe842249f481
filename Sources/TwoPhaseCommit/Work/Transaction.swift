import TransactionEngine

/// The open transaction in one database, for the closure of a ``Participant``.
///
/// Statements run one after the other. Each call is one round trip; the first also sends BEGIN.
/// After the closure has returned, every use throws
/// ``BranchError/Code-swift.enum/transactionIsOver``.
///
/// Parameters are `$1`, `$2`... and are sent apart from the SQL. The coordinator alone begins and
/// ends transactions, so `BEGIN`, `COMMIT`, `SAVEPOINT` and the like are refused.
public struct Transaction: Sendable {
    private let branch: any OpenBranch

    init(_ branch: any OpenBranch) {
        self.branch = branch
    }

    /// Runs a statement and returns the number of rows that it changed or returned.
    @discardableResult
    public func execute(
        _ sql: String, _ parameters: (any SQLValue)?...
    ) async throws(BranchError) -> Int {
        try await run(sql, parameters).count
    }

    /// Runs statements in order in one round trip, and returns each one's number of rows.
    ///
    /// If a statement fails, the later ones do not run. All results together must stay within
    /// ``Database/rowsMax`` and ``Database/bytesMax``.
    @discardableResult
    public func execute(_ statements: [SQLStatement]) async throws(BranchError) -> [Int] {
        try await run(statements.map { $0.statement }).map { $0.count }
    }

    /// Runs a statement and returns its rows.
    public func query(
        _ sql: String, _ parameters: (any SQLValue)?...
    ) async throws(BranchError) -> Rows {
        Rows(try await run(sql, parameters))
    }

    /// Runs statements like ``execute(_:)``, and returns the rows of each.
    public func query(_ statements: [SQLStatement]) async throws(BranchError) -> [Rows] {
        try await run(statements.map { $0.statement }).map { Rows($0) }
    }

    /// Runs a statement and decodes each row, with the column names as keys.
    ///
    /// A type of a single value, such as `Int` or an array, takes the only column. A property that is
    /// not an ``SQLColumn`` is decoded from JSON. Of several columns with one name the first counts.
    ///
    /// - Throws: ``BranchError/Code-swift.enum/unreadableValue`` if a value does not fit its type.
    public func query<Value: Decodable & Sendable>(
        _ sql: String, _ parameters: (any SQLValue)?..., as type: Value.Type
    ) async throws(BranchError) -> [Value] {
        let rows = Rows(try await run(sql, parameters))
        return try rows.map { row throws(BranchError) in try row.decode(type) }
    }

    /// Runs a statement and decodes each row as a tuple of its columns: `as: (Int, String?).self`.
    ///
    /// - Throws: ``BranchError/Code-swift.enum/unreadableValue`` if a value does not fit its type, or
    ///   the number of columns differs from that of the elements.
    public func query<First: SQLColumn, Second: SQLColumn, each Other: SQLColumn>(
        _ sql: String, _ parameters: (any SQLValue)?...,
        as type: (First, Second, repeat each Other).Type
    ) async throws(BranchError) -> [(First, Second, repeat each Other)] {
        let rows = Rows(try await run(sql, parameters))
        return try rows.map { row throws(BranchError) in try row.decode(type) }
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
    /// The rows that the statement changed, or returned if it changes none.
    fileprivate var count: Int { affectedRows ?? rows.count }
}
