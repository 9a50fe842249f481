import CommitProtocol
import PostgresClient
import TransactionEngine

/// One statement of a flush, which writes one kind of record for many transactions at once.
///
/// Each parameter is an array with one element a transaction; `x` is a row of these elements, `t`
/// the row of the table.
struct FlushStatement: Sendable {
    let sql: String
    private let parameters: [WrittenColumn.Parameter]

    /// Empty arrays for its parameters.
    var arrays: [BinaryArray] { parameters.map { BinaryArray(of: $0.element) } }

    /// Appends the elements of a write to the arrays.
    func append(_ write: LogWrite, to arrays: inout [BinaryArray]) {
        for (index, parameter) in parameters.enumerated() {
            parameter.append(write, &arrays[index])
        }
    }

    /// The command that writes this alone.
    func command(_ write: LogWrite) -> Command {
        var arrays = arrays
        append(write, to: &arrays)
        return Command(sql).with(arrays: arrays)
    }

    /// Inserts rows; `conflict` says what happens to one that is there, and what is returned.
    static func insert(_ columns: [WrittenColumn], _ conflict: String) -> FlushStatement {
        statement(of: columns) { elements in
            """
            INSERT INTO tandem.transactions AS t (\(columns.map(\.name).joined(separator: ", ")))
            SELECT \(columns.map(\.value).joined(separator: ", ")) FROM \(elements) \(conflict)
            """
        }
    }

    /// Updates the rows of these ids.
    ///
    /// - Parameters:
    ///   - columns: Take their new values in any case.
    ///   - kept: Keep the values that they have if `isKept` holds for the row.
    ///   - condition: Rows for which it does not hold stay as they are.
    static func update(
        _ columns: [WrittenColumn] = [], kept: [WrittenColumn] = [], if isKept: String = "false",
        where condition: String = "true", returning: String? = nil
    ) -> FlushStatement {
        statement(of: [.number, .salt] + columns + kept) { elements in
            let assignments =
                columns.map { "\($0.name) = \($0.value)" }
                + Self.assignments(kept, from: \.value, unless: isKept)
            return """
                UPDATE tandem.transactions AS t SET \(assignments.joined(separator: ", "))
                FROM \(elements) WHERE t.number = x.number AND t.salt = x.salt AND \(condition)
                \(returning.map { "RETURNING \($0)" } ?? "")
                """
        }
    }

    /// What follows INSERT where a row of this id is there already: it takes the inserted values of
    /// these columns, unless `isKept` holds for it.
    ///
    /// Either way the row is written, so that what it returns is as durable as this commit.
    static func onConflict(
        set columns: [WrittenColumn], unless isKept: String, returning: String
    ) -> String {
        let assignments = assignments(columns, from: { "excluded.\($0.name)" }, unless: isKept)
        return """
            ON CONFLICT (number) DO UPDATE SET \(assignments.joined(separator: ", "))
            WHERE t.salt = excluded.salt RETURNING \(returning)
            """
    }

    private static func assignments(
        _ columns: [WrittenColumn], from value: (WrittenColumn) -> String, unless isKept: String
    ) -> [String] {
        columns.map { column in
            "\(column.name) = CASE WHEN \(isKept) THEN t.\(column.name) ELSE \(value(column)) END"
        }
    }

    /// Returns a statement that aborts as this one does, and accepts the successors of the rows that
    /// it aborts.
    ///
    /// This statement aborts rows and returns them whole, as `RETURNING t.*`. In what the new one
    /// returns, `t` is such a row, and `x` its successor; there is no `x` if the row names none of
    /// the successors that came with the writes.
    ///
    /// All of it is one statement, so that the same snapshot tells whether a row had a successor
    /// before: then the same write took effect earlier, and its answer was lost. The successor was
    /// inserted at that time, and may have ended since, or its row may even be removed. So it is not
    /// inserted again. If the earlier write becomes durable just now, after the snapshot, the INSERT
    /// fails on the primary key and the flush with it. The next attempt sees the earlier one.
    ///
    /// The INSERT of a successor never waits for its key, so it cannot deadlock with other replicas'
    /// flushes: until this transaction ends, every other request finds the key held by the row that
    /// is aborted here, and waits for this transaction once that row is written. For the same reason
    /// none can take the key between the two. PostgreSQL runs the INSERT on what the abort returns,
    /// hence after it. Where the key is another transaction's nevertheless, the INSERT fails, and the
    /// abort with it.
    ///
    /// - Parameters:
    ///   - columns: The columns of a successor, `t` being the row that it succeeds.
    ///   - returned: What the statement returns for each row.
    func accepting(
        successors columns: [WrittenColumn], returning returned: String
    ) -> FlushStatement {
        let (elements, added) = Self.elements(
            of: columns + [.successorID], after: parameters.count)
        let sql = """
            WITH successors AS MATERIALIZED (SELECT * FROM \(elements)),
            aborted AS (\(sql)),
            accepted AS (
                INSERT INTO tandem.transactions (\(columns.map(\.name).joined(separator: ", ")))
                SELECT \(columns.map(\.value).joined(separator: ", "))
                FROM aborted AS t JOIN successors AS x ON x.id = t.retried_as
                WHERE NOT EXISTS (SELECT FROM tandem.transactions AS earlier
                    WHERE earlier.number = t.number AND earlier.retried_as IS NOT NULL))
            SELECT \(returned)
            FROM aborted AS t LEFT JOIN successors AS x ON x.id = t.retried_as
            """
        return FlushStatement(sql: sql, parameters: parameters + added)
    }

    private static func statement(
        of columns: [WrittenColumn], _ sql: (_ elements: String) -> String
    ) -> FlushStatement {
        let (elements, parameters) = elements(of: columns, after: 0)
        return FlushStatement(sql: sql(elements), parameters: parameters)
    }

    /// The rows of elements as `x`, and their parameters, which follow so many others.
    private static func elements(
        of columns: [WrittenColumn], after count: Int
    ) -> (sql: String, parameters: [WrittenColumn.Parameter]) {
        let parameters = columns.compactMap(\.parameter)
        let arrays = parameters.enumerated().map { "$\(count + $0 + 1)::\($1.element)[]" }
        let names = columns.filter { $0.parameter != nil }.map(\.name)
        let sql = "unnest(\(arrays.joined(separator: ", "))) AS x(\(names.joined(separator: ", ")))"
        return (sql, parameters)
    }
}

/// A column of `tandem.transactions` as a flush writes it.
struct WrittenColumn: Sendable {
    /// An array parameter.
    struct Parameter: Sendable {
        /// The type of its elements.
        let element: BinaryArray.Element
        /// Appends the element of a write.
        let append: @Sendable (LogWrite, inout BinaryArray) -> Void
    }

    let name: String
    /// The value as SQL; `x` has an element of each parameter, by the name of the column.
    let value: String
    /// Nil for a value that follows from other columns.
    let parameter: Parameter?

    static func computed(_ name: String, _ value: String) -> WrittenColumn {
        WrittenColumn(name: name, value: value, parameter: nil)
    }

    /// The same column with a value computed from its element.
    func computed(_ value: String) -> WrittenColumn {
        WrittenColumn(name: name, value: value, parameter: parameter)
    }

    /// A column whose elements are of its own type.
    static func column(
        _ name: String, _ element: BinaryArray.Element,
        _ append: @escaping @Sendable (LogWrite, inout BinaryArray) -> Void
    ) -> WrittenColumn {
        WrittenColumn(
            name: name, value: "x.\(name)", parameter: Parameter(element: element, append: append))
    }

    static func integer(
        _ name: String, _ element: @escaping @Sendable (LogWrite) -> Int64
    ) -> WrittenColumn {
        column(name, .bigint) { $1.append(element($0)) }
    }

    static func time(
        _ name: String, _ element: @escaping @Sendable (LogWrite) -> Timestamp
    ) -> WrittenColumn {
        column(name, .timestamptz) { $1.append(microseconds: element($0)) }
    }

    static func text(
        _ name: String, _ element: @escaping @Sendable (LogWrite) -> String?
    ) -> WrittenColumn {
        column(name, .text) { $1.append(element($0)) }
    }

    /// An array of a transaction's own, with an element for each item: arrays have no arrays of other
    /// lengths in them, so it is sent as a text.
    ///
    /// - Parameter write: Appends the text of an item, or returns false for NULL.
    static func list<Item>(
        _ name: String, as type: String = "text[]",
        of items: @escaping @Sendable (LogWrite) -> [Item]?,
        _ write: @escaping @Sendable (Item, inout [UInt8]) -> Bool
    ) -> WrittenColumn {
        column(name, .text) { logWrite, array in
            guard let items = items(logWrite) else { return array.appendNull() }
            array.append(literalOf: items, write)
        }.computed("x.\(name)::\(type)")
    }

    /// The same column of the successor that comes with a write.
    var ofSuccessor: WrittenColumn {
        guard let parameter else { return self }
        let ofSuccessor = Parameter(element: parameter.element) { write, array in
            guard let successor = write.successor else { return }
            parameter.append(LogWrite(.accept, of: successor), &array)
        }
        return WrittenColumn(name: name, value: value, parameter: ofSuccessor)
    }
}
