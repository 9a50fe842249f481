import TransactionEngine

/// The rows that a statement brought back, in order.
public struct Rows: Sendable, RandomAccessCollection {
    /// The names of the columns, in order.
    public let columns: [String]
    private let cells: [[String?]]

    init(_ result: StatementResult) {
        columns = result.columns.map(\.name)
        cells = result.rows
    }

    /// The first row's number.
    public var startIndex: Int { cells.startIndex }
    /// The number after the last row's.
    public var endIndex: Int { cells.endIndex }
    /// A row by number.
    public subscript(position: Int) -> Row { Row(columns: columns, cells: cells[position]) }
}

/// One row: values in PostgreSQL's text form, read as what is asked for.
public struct Row: Sendable {
    /// The names of the columns, in order.
    public let columns: [String]
    let cells: [String?]

    /// The text of a column by name; nil if it is NULL, or there is no such column.
    public subscript(name: String) -> String? {
        columns.firstIndex(of: name).flatMap { cells[$0] }
    }

    /// The text of a column by number; nil if it is NULL.
    ///
    /// The number must exist.
    public subscript(column: Int) -> String? { cells[column] }

    /// The value of a column by name.
    public func decode<Value: SQLColumn>(
        _ name: String, as type: Value.Type = Value.self
    ) throws(BranchError) -> Value {
        guard let column = columns.firstIndex(of: name) else {
            throw BranchError(.unreadableValue, "there is no column \"\(name)\"")
        }
        return try value(column, type)
    }

    /// The whole row as a value of a `Decodable` type.
    public func decode<Value: Decodable>(_ type: Value.Type) throws(BranchError) -> Value {
        // A value of SQL is read from its text, whatever form it has among Codable's: a `Decimal`
        // would look for its mantissa.
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

    /// The whole row as a tuple, whose elements are the columns in order.
    public func decode<First: SQLColumn, Second: SQLColumn, each Other: SQLColumn>(
        _ type: (First, Second, repeat each Other).Type
    ) throws(BranchError) -> (First, Second, repeat each Other) {
        var wanted = 2
        for _ in repeat (each Other).self { wanted += 1 }
        guard wanted == cells.count else {
            throw BranchError(
                .unreadableValue, "\(cells.count) columns are not a tuple of \(wanted)")
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
