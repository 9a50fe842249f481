import TransactionEngine

/// A statement with its parameters.
///
/// ```swift
/// SQLStatement("UPDATE stock SET amount = amount - $1 WHERE article = $2", 1, article, expectedRows: 1)
/// ```
public struct SQLStatement: Sendable {
    let statement: Statement

    /// Makes a statement.
    ///
    /// - Parameters:
    ///   - sql: One statement, with parameters as `$1`, `$2`...
    ///   - parameters: The values of the parameters, nil for NULL; they are sent apart from the SQL.
    ///   - expectedRows: The number of rows that it must change, or return if it changes none; nil
    ///     for any number. Another number aborts the transaction; later statements may have run.
    public init(
        _ sql: String, _ parameters: (any SQLValue)?..., expectedRows: Int? = nil
    ) {
        self.init(sql, parameters: parameters, expectedRows: expectedRows)
    }

    /// Makes a statement with its parameters in an array.
    public init(
        _ sql: String, parameters: [(any SQLValue)?], expectedRows: Int? = nil
    ) {
        statement = Statement(
            sql: sql, parameters: parameters.map { $0?.sqlText }, expectedRows: expectedRows)
    }
}

extension SQLStatement: CustomStringConvertible, CustomReflectable {
    /// The SQL without the parameters, which may be confidential.
    public var description: String { statement.sql }
    /// The SQL only.
    public var customMirror: Mirror { Mirror(self, children: ["sql": statement.sql]) }
}
