import TransactionEngine

/// A statement with its parameters, to be run together with others.
///
/// ```swift
/// SQLStatement("UPDATE stock SET amount = amount - $1 WHERE article = $2", 1, article, expectedRows: 1)
/// ```
public struct SQLStatement: Sendable {
    let statement: Statement

    /// Makes a statement.
    ///
    /// - Parameters:
    ///   - sql: one statement, with parameters as `$1`, `$2`...
    ///   - parameters: their values, nil for NULL; sent apart from the SQL.
    ///   - expectedRows: how many rows it must change, or return where it changes none; nil for any
    ///     number. Another number aborts the whole; statements behind it may have run by then.
    public init(
        _ sql: String, _ parameters: (any SQLValue)?..., expectedRows: Int? = nil
    ) {
        self.init(sql, parameters: parameters, expectedRows: expectedRows)
    }

    /// Makes a statement whose parameters are in an array; apart from that as above.
    public init(
        _ sql: String, parameters: [(any SQLValue)?], expectedRows: Int? = nil
    ) {
        statement = Statement(
            sql: sql, parameters: parameters.map { $0?.sqlText }, expectedRows: expectedRows)
    }
}

extension SQLStatement: CustomStringConvertible, CustomReflectable {
    /// The SQL; the parameters may be anybody's data and are never shown.
    public var description: String { statement.sql }
    /// Nothing but the SQL.
    public var customMirror: Mirror { Mirror(self, children: ["sql": statement.sql]) }
}
