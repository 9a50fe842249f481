/// Reads the columns of one row, from left to right; or lists them, if it has no row.
package struct RowReader {
    private let result: CommandResult?
    private let row: Int
    private var position = 0
    /// What the columns are in SQL, as far as they were named.
    private(set) var columns: [String] = []

    init(_ result: CommandResult? = nil, row: Int = 0) {
        self.result = result
        self.row = row
    }

    /// Whether every column of the row was read.
    var hasReadAll: Bool { position == result?.columnCount }

    /// The next column as text; nil for NULL.
    package mutating func text(_ sql: @autoclosure () -> String = "") -> String? {
        guard let result else {
            columns.append(sql())
            return nil
        }
        defer { position += 1 }
        return result.text(row: row, column: position)
    }

    /// The next column as a value; nil for NULL, and for what is no such value.
    package mutating func value<Value: LosslessStringConvertible>(
        _ sql: @autoclosure () -> String = "", as type: Value.Type = Value.self
    ) -> Value? {
        text(sql()).flatMap { Value($0) }
    }

    /// The next column as a whole number, read where it lies; nil for NULL, and for what is none.
    package mutating func unsigned(_ sql: @autoclosure () -> String = "") -> UInt64? {
        guard let result else {
            columns.append(sql())
            return nil
        }
        defer { position += 1 }
        return result.unsigned(row: row, column: position)
    }

    /// The next column as one of the names of an enumeration; nil for NULL, and for other names.
    package mutating func name<Value: RawRepresentable<String>>(
        _ sql: @autoclosure () -> String = "", as type: Value.Type = Value.self
    ) -> Value? {
        text(sql()).flatMap(Value.init(rawValue:))
    }

    /// Whether the next column is true; NULL is not.
    package mutating func isTrue(_ sql: @autoclosure () -> String = "") -> Bool {
        text(sql()) == "t"
    }

    /// The next column's elements; nil for NULL, and for what is no array.
    package mutating func list(_ sql: @autoclosure () -> String = "") -> [String?]? {
        text(sql()).flatMap(ArrayLiteral.read)
    }

    /// Passes over columns, which are there for what they do.
    package mutating func skip(_ count: Int = 1) { position += count }
}
