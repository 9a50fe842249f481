import CommitProtocol
import PostgresClient
import TransactionEngine

/// The columns that a statement returns, and how a row of them becomes a value.
///
/// One closure is both. `columns` lists what the closure asks for, in that order, and goes into the
/// text of the statement; a row of the reply is then read by the same closure. So the place of a
/// column is written nowhere, and no other file relies on it.
struct RowFormat<Value>: Sendable {
    /// What follows SELECT or RETURNING.
    let columns: String
    private let read: @Sendable (inout ColumnReader) -> Value?

    /// - Parameter read: Asks for every column, and only then decides whether the row makes a
    /// value.
    init(_ read: @escaping @Sendable (inout ColumnReader) -> Value?) {
        var reader = ColumnReader()
        _ = read(&reader)
        columns = reader.columns.joined(separator: ", ")
        self.read = read
    }

    /// The values of all rows that make one.
    func values(of result: CommandResult) -> [Value] {
        (0..<result.rowCount).compactMap { value(of: result, row: $0) }
    }

    /// The value of the first row; nil if there is no row, or if it makes none.
    func first(of result: CommandResult) -> Value? {
        result.rowCount > 0 ? value(of: result, row: 0) : nil
    }

    private func value(of result: CommandResult, row: Int) -> Value? {
        var reader = ColumnReader(result, row: row)
        let value = read(&reader)
        precondition(reader.hasReadAll, "a statement returns other columns than its format has")
        return value
    }
}

/// Reads the columns of one row in turn, or lists them if it has no row.
struct ColumnReader {
    private let result: CommandResult?
    private let row: Int
    private var position = 0
    fileprivate private(set) var columns: [String] = []

    fileprivate init(_ result: CommandResult? = nil, row: Int = 0) {
        self.result = result
        self.row = row
    }

    fileprivate var hasReadAll: Bool { position == result?.columnCount }

    /// The next column as text; nil if it is NULL.
    mutating func text(_ sql: @autoclosure () -> String) -> String? {
        guard let result else {
            columns.append(sql())
            return nil
        }
        defer { position += 1 }
        return result.text(row: row, column: position)
    }

    mutating func integer<Value: FixedWidthInteger>(
        _ sql: @autoclosure () -> String, as type: Value.Type = Value.self
    ) -> Value? {
        text(sql()).flatMap { Value($0) }
    }

    /// Whether the next column is true; NULL is not.
    mutating func bool(_ sql: @autoclosure () -> String) -> Bool { text(sql()) == "t" }

    /// The next column as one of the names of an enumeration.
    mutating func name<Value: RawRepresentable<String>>(
        _ sql: @autoclosure () -> String, as type: Value.Type = Value.self
    ) -> Value? {
        text(sql()).flatMap(Value.init(rawValue:))
    }

    /// The next column, an array, as texts.
    mutating func array(_ sql: @autoclosure () -> String) -> [String?]? {
        text(sql()).flatMap(ArrayLiteral.read)
    }

    /// The next column, a `timestamptz`.
    mutating func time(_ sql: @autoclosure () -> String) -> Timestamp? {
        integer("(extract(epoch FROM \(sql())) * 1000000)::bigint")
    }

    /// The next two columns, the number and salt of a transaction.
    mutating func transactionID(
        number: @autoclosure () -> String, salt: @autoclosure () -> String
    ) -> GlobalTransactionID? {
        let number = integer(number(), as: Int64.self)
        let salt = integer(salt(), as: Int64.self)
        guard let number, let salt else { return nil }
        return GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt))
    }
}

extension GlobalTransactionID {
    /// Number and salt as parameters.
    var parameters: [String?] { ["\(number)", "\(signedSalt)"] }

    /// The salt as `bigint` holds it.
    var signedSalt: Int64 { Int64(bitPattern: salt) }
}
