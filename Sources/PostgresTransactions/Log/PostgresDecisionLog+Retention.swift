package import CommitProtocol
import PostgresClient
package import TransactionEngine

extension PostgresDecisionLog {
    private static let settled = RowFormat { $0.transactionID(number: "x.n", salt: "x.s") }

    /// Which of a journal's transactions need no decision there any more.
    ///
    /// Their rows are finished by what the commit point decided. So the row has a copy of the
    /// decision, every branch is finished, and the session that could have decided otherwise has
    /// answered or was fenced. A row below the low-water mark was finished as well, or it could not
    /// have been removed. All this is read by a durable write, for what is only visible may yet be
    /// lost.
    package func settled(
        _ ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID] {
        try await written(
            """
            WITH mark AS (
                UPDATE tandem.installation SET low_water_mark = low_water_mark
                RETURNING low_water_mark)
            SELECT \(Self.settled.columns)
            FROM mark, unnest($1::bigint[], $2::bigint[]) AS x(n, s)
                LEFT JOIN tandem.transactions AS t ON t.number = x.n AND t.salt = x.s
            WHERE (t.finished_at IS NOT NULL AND t.decision_from = 'commitPoint')
                OR (t.number IS NULL AND x.n < mark.low_water_mark)
            """, as: Self.settled
        ) {
            [ArrayLiteral.write(ids.map(\.number)), ArrayLiteral.write(ids.map(\.signedSalt))]
        }
    }

    private static let removed = RowFormat {
        $0.value("tandem.remove_finished($1::bigint, $2::integer)", as: Int.self)
    }

    /// Removes a batch of rows that finished long ago, and returns how many they were.
    ///
    /// Rows that wait for an operator stay; see `Migration.first`.
    package func removeFinished(
        olderThanSeconds: Int64, limit: Int
    ) async throws(LogUnavailable) -> Int {
        try await rows(
            "SELECT \(Self.removed.columns)", ["\(olderThanSeconds)", "\(limit)"],
            as: Self.removed
        ).first ?? 0
    }
}
