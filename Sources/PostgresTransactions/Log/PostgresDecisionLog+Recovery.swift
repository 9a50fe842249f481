package import CommitProtocol
import Logging
import PostgresClient
package import TransactionEngine

extension PostgresDecisionLog {
    /// Whether a living replica owns row `t`.
    nonisolated static let ownerIsAlive = """
        EXISTS (SELECT FROM tandem.replicas AS r WHERE r.name = t.owner AND r.epoch = t.epoch
            AND \(StateDatabase.isAlive))
        """

    /// After the state database was replaced or rewound, an undecided row from before may have been
    /// decided: it is left alone until an operator releases the quarantine.
    private static let isNotQuarantined = """
        (t.decision IS NOT NULL
            OR t.number >= (SELECT quarantined_below FROM tandem.installation))
        """

    /// Where a commit point is gone or changed, only an operator can decide.
    private static let isNotUndecidable = "(t.decision IS NOT NULL OR t.state <> 'needsOperator')"

    /// Whether this replica can finish every branch, or no other living replica can; `$1` is its
    /// name, `$4` the participants that it knows.
    ///
    /// Configurations differ while they are rolled out. A row with a participant that is unknown
    /// here is left to another living replica that knows all of them, because a replica that owns a
    /// row keeps it from those that could finish it. If there is no such replica, this one takes
    /// the row and finishes what it can. It does so also if an operator has resolved a branch.
    private static let isFamiliar = """
        (t.participants <@ $4::text[] OR t.resolution_count > 0
            OR NOT EXISTS (SELECT FROM tandem.replicas AS r WHERE r.name <> $1
                AND \(StateDatabase.isAlive) AND t.participants <@ r.participants))
        """

    /// Ends incarnations whose lease has run out, then claims the rows that no living incarnation
    /// owns.
    ///
    /// The claim is a synchronous write, so a decision that it returns may be acted on: a decision
    /// that is visible and not yet durable would become durable with this commit. It skips rows
    /// that another session is just writing; the next pass finds them if need be. It calls `active`
    /// once it has a session: otherwise this replica would claim from itself what it accepts while
    /// leases are judged or while it waits for a session.
    package func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        let ended = try await checked { try await state.endExpiredIncarnations() }
        if !ended.isEmpty {
            logger.warning(
                "leases expired: other replicas take over what these had",
                metadata: ["replicas": "\(ended)"])
        }
        return try await written(
            """
            WITH unowned AS MATERIALIZED (
                SELECT t.number FROM tandem.transactions AS t
                WHERE t.finished_at IS NULL AND \(Self.isNotQuarantined)
                    AND \(Self.isNotUndecidable) AND \(Self.isFamiliar) AND (
                    (t.owner = $1 AND t.epoch = $2::bigint AND t.number <> ALL ($3::bigint[]))
                    OR NOT \(Self.ownerIsAlive))
                    AND EXISTS (SELECT FROM tandem.replicas AS r
                        WHERE r.name = $1 AND r.epoch = $2::bigint AND \(StateDatabase.isAlive))
                ORDER BY t.number LIMIT \(limit) FOR UPDATE OF t SKIP LOCKED)
            UPDATE tandem.transactions AS t SET owner = $1, epoch = $2::bigint
            FROM unowned WHERE t.number = unowned.number
            RETURNING \(RowCoding.record.columns)
            """, as: RowCoding.record
        ) {
            [
                replica, "\(epoch)", ArrayLiteral.write(await active().map(\.number)),
                ArrayLiteral.write(known),
            ]
        }
    }

    /// Undecided rows of other living incarnations, past their deadline by the database's clock.
    ///
    /// The owner's own timer fires at the deadline; it gets a second more.
    package func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord] {
        try await rows(
            """
            SELECT \(RowCoding.record.columns) FROM tandem.transactions AS t
            WHERE t.finished_at IS NULL AND t.decision IS NULL AND \(Self.isNotQuarantined)
                AND NOT t.delegated AND t.journal_server IS NULL
                AND t.expires_at < now() - interval '1 second'
                AND NOT (t.owner = $1 AND t.epoch = $2::bigint) AND \(Self.ownerIsAlive)
            ORDER BY t.number LIMIT \(limit)
            """, [replica, "\(epoch)"], as: RowCoding.record)
    }

    /// Notes in the row that a rollback was requested, where a commit point decides.
    package func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable) {
        _ = try await checked {
            try await state.read(
                """
                UPDATE tandem.transactions SET rollback_requested = true
                WHERE number = $1::bigint AND salt = $2::bigint AND decision IS NULL
                    AND NOT rollback_requested
                """, id.parameters)
        }
    }

    /// The row of this id, returned by a durable write, so that its decision may be acted on and
    /// reported: what a plain read shows may be visible and not yet durable.
    package func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await written(
            """
            UPDATE tandem.transactions AS t SET decision = t.decision
            WHERE t.number = $1::bigint AND t.salt = $2::bigint
            RETURNING \(RowCoding.record.columns)
            """, as: RowCoding.record
        ) { id.parameters }.first
    }
}
