import CommitProtocol
import PostgresClient
import TransactionEngine

/// The SQL of a page of transactions.
///
/// A page examines a bounded number of rows, whatever its filters are and however long the table is.
/// It walks along an index in the order of the numbers: along a small one where a filter implies that
/// index's condition, else along the primary key. It passes over rows that do not match. Once it has
/// examined as many as it may, the page ends, and the next one goes on from there.
struct ListQuery {
    /// A row of the page, and the edge: the number up to which rows were examined, if there are more.
    ///
    /// A page without rows has one row with nothing but the edge. What tandem would not write has a number
    /// and no record, so that the next page goes on after it.
    struct Row {
        let edge: Int64?
        let number: Int64?
        let record: TransactionRecord?
    }

    static let format = RowFormat { row in
        Row(
            edge: row.value("edge.number"), number: row.value("t.number"),
            record: RowCoding.record.part(of: &row))
    }

    private let filter: RecordFilter
    private(set) var parameters: [String?] = []
    /// Where the rows come from.
    private var source = "tandem.transactions"
    /// What all rows have that are examined.
    private var examined: [String] = []
    /// What those of them have that match.
    private var matching: [String] = []

    init(_ filter: RecordFilter) {
        self.filter = filter
        if let digest = filter.keyDigest {
            // A key has one row a principal. OFFSET keeps PostgreSQL from looking for it along the
            // primary key.
            source = """
                (SELECT * FROM tandem.transactions
                    WHERE key_digest = \(add(RowCoding.hex(digest)))::bytea OFFSET 0)
                """
        } else if filter.isOfOperator {
            examined.append(Self.mayNeedOperator("x"))
        } else if filter.isUnfinished {
            examined.append("x.finished_at IS NULL")
        }
        if let cursor = filter.cursor {
            examined.append("x.number \(isNewest ? "<" : ">") \(add("\(cursor)"))::bigint")
        }
        addConditions()
    }

    /// The condition of the index of rows that an operator has resolved, or has to.
    static func mayNeedOperator(_ row: String) -> String {
        "(\(row).needs_operator_since IS NOT NULL OR \(row).resolution_count > 0)"
    }

    /// The queue that a row is in; NULL for none.
    static func queue(_ row: String) -> String {
        """
        CASE WHEN \(row).needs_operator_since IS NOT NULL THEN 'needsOperator'
            WHEN \(row).finished_at IS NOT NULL THEN NULL
            WHEN \(row).decision IS NOT NULL THEN
                CASE WHEN \(row).decided_at < now() - interval '1 second' THEN 'retrying' END
            WHEN \(row).expires_at <= now() THEN 'inDoubt'
            ELSE 'running' END
        """
    }

    private var isNewest: Bool { filter.order == .newest }

    private mutating func add(_ value: String) -> String {
        parameters.append(value)
        return "$\(parameters.count)"
    }

    private mutating func addConditions() {
        if let principal = filter.principal { matching.append("x.principal = \(add(principal))") }
        if !filter.states.isEmpty {
            let states = ArrayLiteral.write(filter.states.map(\.rawValue))
            matching.append("x.state = ANY (\(add(states))::text[])")
        }
        if let queue = filter.queue {
            matching.append("\(Self.queue("x")) = \(add(queue.rawValue))")
        }
        if let name = filter.participant { matching.append("\(add(name)) = ANY (x.participants)") }
        for label in filter.labels {
            let name = add(label.name)
            matching.append("x.label_names @> ARRAY[\(name)]")
            matching.append(
                "x.label_values[array_position(x.label_names, \(name))] = \(add(label.value))")
        }
        if let time = filter.acceptedBefore {
            let microseconds = "\(add("\(time)"))::bigint * interval '1 microsecond'"
            matching.append("x.accepted_at < timestamptz 'epoch' + \(microseconds)")
        }
    }

    /// The statement; without rows that match it returns the edge alone.
    var sql: String {
        let order = "ORDER BY x.number \(isNewest ? "DESC" : "ASC")"
        // Without conditions every row that is examined is on the page.
        let isBounded = !matching.isEmpty && filter.keyDigest == nil
        let last =
            isBounded
            ? """
            (SELECT x.number FROM tandem.transactions AS x \(Self.clause(examined))
                \(order) OFFSET \(filter.examinedMax - 1) LIMIT 1)
            """ : "NULL::bigint"
        let end =
            isNewest
            ? "x.number >= coalesce(edge.number, 0)"
            : "x.number <= coalesce(edge.number, \(Int64.max))"
        // Materialized, or PostgreSQL would look for the edge once for each of its two uses.
        return """
            WITH edge AS MATERIALIZED (SELECT \(last) AS number)
            SELECT \(Self.format.columns)
            FROM edge
            LEFT JOIN LATERAL (
                SELECT * FROM \(source) AS x
                \(Self.clause(examined + (isBounded ? [end] : []) + matching))
                \(order) LIMIT \(filter.limit)) AS t ON true
            ORDER BY t.number \(isNewest ? "DESC" : "ASC")
            """
    }

    private static func clause(_ conditions: [String]) -> String {
        conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: "\n    AND ")
    }
}

extension RecordFilter {
    /// Whether only rows match that an operator has resolved, or has to.
    fileprivate var isOfOperator: Bool { queue == .needsOperator || states == [.needsOperator] }

    /// Whether only unfinished rows match.
    fileprivate var isUnfinished: Bool {
        if let queue, queue != .needsOperator { return true }
        return !states.isEmpty
            && states.allSatisfy { state in
                switch state {
                case .active, .preparing, .committing, .aborting: true
                case .committed, .aborted, .needsOperator: false
                }
            }
    }
}
