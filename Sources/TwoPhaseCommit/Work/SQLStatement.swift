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
    ///   - expectedRows: how many rows it must change or return, or the whole is aborted; nil for any
    ///     number.
    public init(
        _ sql: String, _ parameters: (any SQLValue)?..., expectedRows: Int? = nil
    ) {
        statement = Statement(
            sql: sql, parameters: parameters.map { $0?.sqlText }, expectedRows: expectedRows)
    }
}
