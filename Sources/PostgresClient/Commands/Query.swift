import EventLoop

/// The columns that a statement returns, and how a row of them becomes a value.
///
/// One closure is both. ``columns`` lists what the closure asks for, in that order, and goes into the
/// text of the statement; the same closure then reads a row of the reply. So the place of a column is
/// written nowhere, and no other file relies on it.
package struct RowFormat<Row>: Sendable {
    /// What follows SELECT or RETURNING; of use only where the closure names every column.
    package let columns: String
    private let read: @Sendable (inout RowReader) -> Row?

    /// - Parameter read: asks for every column, and only then decides whether the row makes a value.
    package init(_ read: @escaping @Sendable (inout RowReader) -> Row?) {
        var reader = RowReader()
        _ = read(&reader)
        columns = reader.columns.joined(separator: ", ")
        self.read = read
    }

    /// The value of a row's next columns, for a format that has others before or after these.
    package func part(of row: inout RowReader) -> Row? { read(&row) }

    /// The values of all rows that make one.
    package func rows(of result: CommandResult) -> [Row] {
        (0..<result.rowCount).compactMap { row($0, of: result) }
    }

    /// The value of the first row; nil if there is no row, or if it makes none.
    package func first(of result: CommandResult) -> Row? {
        result.rowCount > 0 ? row(0, of: result) : nil
    }

    /// The value of a row, which must exist; nil if it makes none.
    package func row(_ index: Int, of result: CommandResult) -> Row? {
        var reader = RowReader(result, row: index)
        guard let row = read(&reader) else { return nil }
        precondition(reader.hasReadAll, "a statement returns other columns than its format reads")
        return row
    }
}

/// A query with a fixed text, and how its rows are read, side by side.
package struct Query<Row>: Sendable {
    /// The SQL, with parameters as `$1`, `$2`...
    package var sql: String { command.sql }
    private let command: Command
    private let format: RowFormat<Row>

    /// Makes a query; `read` takes every column of the SELECT list in its order, or gives nil for a row
    /// that is not as expected.
    ///
    /// - Parameter isFixed: whether its text never changes and it is kept as a constant, see
    ///   ``Command/fixed(_:)``.
    package init(
        _ sql: String, isFixed: Bool = false, read: @escaping @Sendable (inout RowReader) -> Row?
    ) {
        command = isFixed ? .fixed(sql) : Command(sql)
        format = RowFormat(read)
    }

    /// The query as a command.
    package func command(_ parameters: [String?] = []) -> Command { command.with(parameters) }

    /// Reads all rows of a result of this query, except those that are not as expected.
    package func rows(of result: CommandResult) -> [Row] { format.rows(of: result) }

    /// Reads the first row of a result of this query; nil if there is none as expected.
    package func row(of result: CommandResult) -> Row? { format.first(of: result) }
}

extension PostgresConnection {
    /// Asks a query and reads all its rows; see ``query(_:_:timeout:)``.
    package func rows<Row>(
        _ query: Query<Row>, _ parameters: [String?] = [], timeout: Duration? = nil
    ) async throws(PostgresError) -> [Row] {
        query.rows(of: try await self.query(query.sql, parameters, timeout: timeout))
    }

    /// Asks a query and reads its first row.
    package func row<Row>(
        _ query: Query<Row>, _ parameters: [String?] = [], timeout: Duration? = nil
    ) async throws(PostgresError) -> Row? {
        query.row(of: try await self.query(query.sql, parameters, timeout: timeout))
    }
}
