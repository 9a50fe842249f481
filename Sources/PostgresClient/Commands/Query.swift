import EventLoop

/// A query and how its rows are read, side by side: columns are read in the order of the SELECT list,
/// so that no number of a column stands anywhere.
package struct Query<Row>: Sendable {
    /// The SQL, with parameters as `$1`, `$2`...
    package let sql: String
    private let read: @Sendable (inout RowReader) -> Row?

    /// Makes a query; `read` takes every column, or gives nil for a row that is not as expected.
    package init(_ sql: String, read: @escaping @Sendable (inout RowReader) -> Row?) {
        self.sql = sql
        self.read = read
    }

    /// The query as a command.
    package func command(_ parameters: [String?] = []) -> Command { Command(sql, parameters) }

    /// Reads all rows of a result of this query, except those that are not as expected.
    package func rows(of result: CommandResult) -> [Row] {
        (0..<result.rowCount).compactMap { row($0, of: result) }
    }

    /// Reads the first row of a result of this query; nil if there is none as expected.
    package func row(of result: CommandResult) -> Row? {
        result.rowCount > 0 ? row(0, of: result) : nil
    }

    private func row(_ index: Int, of result: CommandResult) -> Row? {
        var reader = RowReader(result: result, row: index)
        guard let row = read(&reader) else { return nil }
        precondition(reader.column == result.columnCount, "a column was not read: \(sql)")
        return row
    }
}

/// Reads the columns of one row, from left to right.
package struct RowReader {
    let result: CommandResult
    let row: Int
    private(set) var column = 0

    init(result: CommandResult, row: Int) {
        self.result = result
        self.row = row
    }

    /// The next column as text; nil for NULL.
    package mutating func text() -> String? {
        defer { column += 1 }
        return result.text(row: row, column: column)
    }

    /// The next column as a value; nil for NULL, and for what is no such value.
    package mutating func value<Value: LosslessStringConvertible>() -> Value? {
        text().flatMap { Value($0) }
    }

    /// Whether the next column is true.
    package mutating func isTrue() -> Bool { text() == "t" }

    /// The next column's elements; nil for NULL, and for what is no array.
    package mutating func list() -> [String?]? { text().flatMap(ArrayLiteral.read) }

    /// Passes over columns, which are there for what they do.
    package mutating func skip(_ count: Int = 1) { column += count }
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
