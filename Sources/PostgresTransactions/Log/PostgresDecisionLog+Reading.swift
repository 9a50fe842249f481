package import CommitProtocol
import PostgresClient
package import TransactionEngine

extension PostgresDecisionLog {
    /// The row of this id.
    package func record(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await rows(
            """
            SELECT \(RowCoding.record.columns) FROM tandem.transactions AS t
            WHERE t.number = $1::bigint AND t.salt = $2::bigint
            """, id.parameters, as: RowCoding.record
        ).first
    }

    /// The row that holds this principal's key.
    package func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await rows(
            """
            SELECT \(RowCoding.record.columns) FROM tandem.transactions AS t
            WHERE t.principal = $1 AND t.key_digest = $2::bytea
            """, [principal, RowCoding.hex(keyDigest)], as: RowCoding.record
        ).first
    }

    /// A page of rows; see `ListQuery`.
    package func records(_ filter: RecordFilter) async throws(LogUnavailable) -> RecordPage {
        let query = ListQuery(filter)
        let found = try await rows(query.sql, query.parameters, as: ListQuery.format)
        let isFull = found.count == filter.limit && found.last?.number != nil
        return RecordPage(
            records: found.compactMap(\.record),
            next: isFull ? found.last?.number : found.first?.edge)
    }

    private static let queue = RowFormat { row -> OperatorQueue? in
        let oldest = row.transactionID(number: "number", salt: "salt")
        let since = row.time("needs_operator_since")
        let count = row.value("count(*) OVER ()", as: Int.self)
        guard let oldest, let since, let count else { return nil }
        return OperatorQueue(count: count, oldest: oldest, since: since)
    }

    /// The transactions that wait for an operator, by an index that is empty as long as all is
    /// well.
    package func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? {
        try await rows(
            """
            SELECT \(Self.queue.columns)
            FROM tandem.transactions WHERE needs_operator_since IS NOT NULL
            ORDER BY needs_operator_since LIMIT 1
            """, as: Self.queue
        ).first
    }

    private static let resolution = RowFormat { row -> Resolution? in
        let branch = row.value("branch", as: Int.self)
        let action = row.name("action", as: Resolution.Action.self)
        let actor = row.text("actor")
        let reason = row.text("reason")
        let isForced = row.isTrue("forced")
        let isOrder = row.isTrue("is_order")
        let found = row.text("found")
        let at = row.time("at")
        guard let branch, let action, let actor, let reason, let found, let at else { return nil }
        var resolution = Resolution(
            branch: branch, action: action, actor: actor, reason: reason, isForced: isForced)
        resolution.isOrder = isOrder
        resolution.found = found
        resolution.at = at
        return resolution
    }

    /// The resolutions recorded for this id, oldest first.
    package func resolutions(
        of id: GlobalTransactionID
    ) async throws(LogUnavailable) -> [Resolution] {
        try await rows(
            """
            SELECT \(Self.resolution.columns)
            FROM tandem.resolutions WHERE transaction = $1 ORDER BY number
            """, ["\(id)"], as: Self.resolution)
    }

    private static let mark = RowFormat {
        $0.value(
            "CASE WHEN quarantined_below > 0 THEN \(Int64.max) ELSE low_water_mark END",
            as: Int64.self)
    }

    /// Ids with smaller numbers may have lost their rows to retention; in quarantine every id may
    /// have lost its row, together with the state database's former server.
    package func lowWaterMark() async throws(LogUnavailable) -> Int64 {
        try await rows(
            "SELECT \(Self.mark.columns) FROM tandem.installation", as: Self.mark
        ).first ?? 0
    }

    private static let standing = RowFormat { row -> (id: GlobalTransactionID, row: RowStanding)? in
        let id = row.transactionID(number: "t.number", salt: "t.salt")
        let decision = row.name("t.decision", as: Decision.self)
        let isFinished = row.isTrue("t.finished_at IS NOT NULL")
        let isOwned = row.isTrue(ownerIsAlive)
        let gids = row.list("t.gids") ?? []
        guard let id else { return nil }
        return (
            id,
            RowStanding(
                row: isFinished ? .finished(decision ?? .abort) : isOwned ? .owned : .adoptable,
                decision: decision, gids: gids.compactMap(\.self))
        )
    }

    /// Which of these ids have rows, and whether a living replica owns them.
    package func standing(
        of ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID: RowStanding] {
        let found = try await rows(
            """
            SELECT \(Self.standing.columns)
            FROM tandem.transactions AS t WHERE t.number = ANY ($1::bigint[])
            """, [ArrayLiteral.write(ids.map(\.number))], as: Self.standing)
        return Dictionary(found.map { ($0.id, $0.row) }) { first, _ in first }
    }
}
