import TransactionEngine

/// The rows that a statement returned, in order.
public struct Rows: Sendable, RandomAccessCollection {
    /// The names of the columns, in order.
    public let columns: [String]
    private let cells: [[String?]]

    init(_ result: StatementResult) {
        columns = result.columns.map(\.name)
        cells = result.rows
    }

    /// The first row's index.
    public var startIndex: Int { cells.startIndex }
    /// The index after the last row.
    public var endIndex: Int { cells.endIndex }
    /// The row at an index.
    public subscript(position: Int) -> Row { Row(columns: columns, cells: cells[position]) }
}

/// One row, with its values in PostgreSQL's text form.
public struct Row: Sendable {
    /// The names of the columns, in order.
    public let columns: [String]
    let cells: [String?]

    /// The text of a column by name; nil if it is NULL or does not exist.
    public subscript(name: String) -> String? {
        columns.firstIndex(of: name).flatMap { cells[$0] }
    }

    /// The text of a column by index, which must exist; nil if it is NULL.
    public subscript(column: Int) -> String? { cells[column] }

    /// Decodes the value of a column by name.
    public func decode<Value: SQLColumn>(
        _ name: String, as type: Value.Type = Value.self
    ) throws(BranchError) -> Value {
        guard let column = columns.firstIndex(of: name) else {
            throw BranchError(.unreadableValue, "the row has no column \"\(name)\"")
        }
        return try value(column, type)
    }

    /// Decodes the row as a value of a `Decodable` type.
    public func decode<Value: Decodable>(_ type: Value.Type) throws(BranchError) -> Value {
        // An SQL value is read from its text; Codable would look for the mantissa of a `Decimal`.
        if cells.count == 1, let known = type as? any SQLColumn.Type,
            let value = try self.value(0, known) as? Value
        {
            return value
        }
        do {
            return try Value(from: RowDecoder(row: self))
        } catch let error as BranchError {
            throw error
        } catch {
            throw BranchError(.unreadableValue, "a row is not a \(type): \(error)")
        }
    }

    /// Decodes the row as a tuple of its columns.
    public func decode<First: SQLColumn, Second: SQLColumn, each Other: SQLColumn>(
        _ type: (First, Second, repeat each Other).Type
    ) throws(BranchError) -> (First, Second, repeat each Other) {
        var expected = 2
        for _ in repeat (each Other).self { expected += 1 }
        guard expected == cells.count else {
            throw BranchError(
                .unreadableValue, "expected \(expected) columns for a tuple, got \(cells.count)")
        }
        var column = 1
        func next<Value: SQLColumn>(_ type: Value.Type) throws(BranchError) -> Value {
            column += 1
            return try value(column, type)
        }
        return (
            try value(0, First.self), try value(1, Second.self),
            repeat try next((each Other).self)
        )
    }

    func value<Value: SQLColumn>(
        _ column: Int, _ type: Value.Type
    ) throws(BranchError) -> Value {
        guard let value = Value.read(column: cells[column]) else {
            let found = cells[column] == nil ? "NULL" : "a value"
            throw BranchError(
                .unreadableValue,
                "\(found) in column \"\(columns[column])\" cannot be read as \(type)")
        }
        return value
    }
}
