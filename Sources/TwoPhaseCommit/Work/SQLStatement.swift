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
        self.init(sql, parameters, expectedRows.map { ExpectedRows($0) })
    }

    /// Makes a statement that must change, or return, a number of rows within bounds.
    ///
    /// ```swift
    /// SQLStatement("DELETE FROM carts WHERE user_id = $1", userID, expectedRows: 1...10)
    /// SQLStatement("UPDATE stock SET amount = 0 WHERE article = $1", article, expectedRows: 1...)
    /// ```
    public init(
        _ sql: String, _ parameters: (any SQLValue)?..., expectedRows: some RangeExpression<Int>
    ) {
        self.init(sql, parameters: parameters, expectedRows: expectedRows)
    }

    /// Makes a statement with bounds for its rows, and its parameters in an array.
    ///
    /// - Precondition: The range has a number that is not negative.
    public init(
        _ sql: String, parameters: [(any SQLValue)?], expectedRows: some RangeExpression<Int>
    ) {
        let counts = expectedRows.relative(to: 0..<ExpectedRows.limit + 1)
        precondition(
            !counts.isEmpty && counts.upperBound > 0,
            "expected a range of row counts, got one without a number from 0 on")
        self.init(
            sql, parameters, ExpectedRows(max(0, counts.lowerBound)...counts.upperBound - 1))
    }

    private init(_ sql: String, _ parameters: [(any SQLValue)?], _ expectedRows: ExpectedRows?) {
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
