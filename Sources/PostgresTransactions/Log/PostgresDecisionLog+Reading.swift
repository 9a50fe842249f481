public import CommitProtocol
import PostgresClient
public import TransactionEngine

extension PostgresDecisionLog {
    /// The row of this id.
    public func record(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await records(
            """
            SELECT \(RowCoding.columns) FROM tandem.transactions AS t
            WHERE t.number = $1::bigint AND t.salt = $2::bigint
            """, ["\(id.number)", "\(Int64(bitPattern: id.salt))"]
        ).first
    }

    /// The row that holds this principal's key.
    public func record(
        principal: String, keyDigest: [UInt8]
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await records(
            """
            SELECT \(RowCoding.columns) FROM tandem.transactions AS t
            WHERE t.principal = $1 AND t.key_digest = $2::bytea
            """, [principal, RowCoding.hex(keyDigest)]
        ).first
    }

    /// Rows by descending number, walked along the primary key.
    public func records(
        _ filter: RecordFilter
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        var conditions: [String] = []
        var parameters: [String?] = []
        func require(_ condition: (String) -> String, _ value: String) {
            parameters.append(value)
            conditions.append(condition("$\(parameters.count)"))
        }
        if let principal = filter.principal { require({ "t.principal = \($0)" }, principal) }
        if !filter.states.isEmpty {
            require(
                { "t.state = ANY (\($0)::text[])" },
                ArrayLiteral.write(filter.states.map(\.rawValue)))
        }
        if let name = filter.participant { require({ "\($0) = ANY (t.participants)" }, name) }
        for label in filter.labels {
            require({ "t.label_names @> ARRAY[\($0)]" }, label.name)
            let name = "$\(parameters.count)"
            require(
                { "t.label_values[array_position(t.label_names, \(name))] = \($0)" }, label.value)
        }
        if let time = filter.acceptedBefore {
            require(
                {
                    "t.accepted_at < timestamptz 'epoch' + \($0)::bigint * interval '1 microsecond'"
                }, "\(time)")
        }
        if let digest = filter.keyDigest {
            require({ "t.key_digest = \($0)::bytea" }, RowCoding.hex(digest))
        }
        if let before = filter.before { require({ "t.number < \($0)::bigint" }, "\(before)") }
        let all = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        return try await records(
            """
            SELECT \(RowCoding.columns) FROM tandem.transactions AS t \(all)
            ORDER BY t.number DESC LIMIT \(filter.limit)
            """, parameters)
    }

    /// Those that wait for an operator's word, by an index that is empty as long as all is well.
    public func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? {
        let result = try await rows(
            """
            SELECT number, salt, (extract(epoch FROM needs_operator_since) * 1000000)::bigint,
                count(*) OVER ()
            FROM tandem.transactions WHERE needs_operator_since IS NOT NULL
            ORDER BY needs_operator_since LIMIT 1
            """, [])
        guard result.rowCount > 0 else { return nil }
        func value(_ column: Int) -> Int64? {
            result.text(row: 0, column: column).flatMap(Int64.init)
        }
        guard let number = value(0), let salt = value(1), let since = value(2),
            let count = value(3)
        else { return nil }
        return OperatorQueue(
            count: Int(count),
            oldest: GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt)),
            since: since)
    }

    /// Ids with smaller numbers may have lost their rows: to retention, or, in quarantine, whatever
    /// their number, with the state database's former server.
    public func lowWaterMark() async throws(LogUnavailable) -> Int64 {
        let result = try await rows(
            """
            SELECT CASE WHEN quarantine_number > 0 THEN \(Int64.max) ELSE low_water_mark END
            FROM tandem.installation
            """, [])
        return result.text(row: 0, column: 0).flatMap(Int64.init) ?? 0
    }

    /// Those of a journal's transactions whose decisions are no longer needed there.
    ///
    /// Their rows are finished, by what the register decided: so the copy is there, every branch has
    /// ended, and the session that could have decided otherwise has answered or was fenced. A row
    /// below the low-water mark was finished as well, or it could not have been removed. All this is
    /// read beside a write of one's own, for what is only visible may yet be lost.
    public func settled(
        _ ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID] {
        let result: CommandResult
        do {
            result = try await state.write(
                """
                WITH mark AS (
                    UPDATE tandem.installation SET low_water_mark = low_water_mark
                    RETURNING low_water_mark)
                SELECT x.n, x.s FROM mark, unnest($1::bigint[], $2::bigint[]) AS x(n, s)
                    LEFT JOIN tandem.transactions AS t ON t.number = x.n AND t.salt = x.s
                WHERE (t.finished_at IS NOT NULL AND t.decision_from = 'commitPoint')
                    OR (t.number IS NULL AND x.n < mark.low_water_mark)
                """,
                [
                    ArrayLiteral.write(ids.map { "\($0.number)" }),
                    ArrayLiteral.write(ids.map { "\(Int64(bitPattern: $0.salt))" }),
                ])
        } catch {
            throw unavailable(error)
        }
        return (0..<result.rowCount).compactMap { row in
            guard let number = result.text(row: row, column: 0).flatMap(Int64.init),
                let salt = result.text(row: row, column: 1).flatMap(Int64.init)
            else { return nil }
            return GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt))
        }
    }

    /// Removes a batch of rows that finished long ago, oldest numbers first, and advances the
    /// low-water mark in the same transaction: a gid below it without a row proves nothing.
    ///
    /// What waits for an operator stays. Answers how many rows went.
    public func removeFinished(
        olderThanSeconds: Int64, limit: Int
    ) async throws(LogUnavailable) -> Int {
        let result = try await rows(
            """
            WITH old AS MATERIALIZED (
                SELECT number FROM tandem.transactions
                WHERE finished_at < now() - $1::bigint * interval '1 second'
                    AND needs_operator_since IS NULL
                ORDER BY number LIMIT \(limit) FOR UPDATE SKIP LOCKED),
            gone AS (
                DELETE FROM tandem.transactions AS t USING old WHERE t.number = old.number
                RETURNING t.number),
            mark AS (
                UPDATE tandem.installation SET low_water_mark =
                    greatest(low_water_mark, (SELECT max(number) + 1 FROM old))
                WHERE EXISTS (SELECT FROM old))
            SELECT count(*) FROM gone
            """, ["\(olderThanSeconds)"])
        return result.text(row: 0, column: 0).flatMap(Int.init) ?? 0
    }
}
