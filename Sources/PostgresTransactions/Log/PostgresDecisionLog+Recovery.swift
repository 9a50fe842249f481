public import CommitProtocol
import Logging
import PostgresClient
public import TransactionEngine

extension PostgresDecisionLog {
    /// Who drives a row; `t` is the row.
    private static let ownerIsAlive = """
        EXISTS (SELECT FROM tandem.replicas AS r WHERE r.name = t.owner AND r.epoch = t.epoch
            AND \(StateDatabase.isAlive))
        """

    /// After the state database was replaced or rewound, an undecided row from before may have been
    /// decided: it is left alone until an operator says otherwise.
    private static let isNotQuarantined = """
        (t.decision IS NOT NULL
            OR t.number >= (SELECT quarantine_number FROM tandem.installation))
        """

    /// Where a register is gone or changed, nobody can decide but an operator.
    private static let isNotUndecidable = "(t.decision IS NOT NULL OR t.state <> 'needsOperator')"

    /// Whether this replica can end every branch, or nobody else can; `$1` is its name, `$4` the
    /// participants that it knows.
    ///
    /// Configurations differ while they are rolled out. A row with a participant that is unknown here
    /// is left to another replica that lives and knows all of them, for whoever holds a row keeps it
    /// from those who could end it. Where there is none it is taken, and what can be ended is; so it
    /// is when an operator has given the end of a branch.
    private static let isFamiliar = """
        (t.participants <@ $4::text[] OR t.resolutions > 0
            OR NOT EXISTS (SELECT FROM tandem.replicas AS r WHERE r.name <> $1
                AND \(StateDatabase.isAlive) AND t.participants <@ r.participants))
        """

    /// Ends expired lives, then claims what no life that goes on drives.
    ///
    /// A synchronous write of one's own, so that a decision seen by it may be acted on: it cannot be
    /// one that is visible and not yet as durable as this commit. Rows that somebody else is just
    /// writing are skipped, and found by the next pass if need be. Who is driven here is asked when
    /// there is a session for the claim: what is accepted while leases are judged, or while the
    /// sessions are taken, would be claimed from itself.
    public func claimUnowned(
        limit: Int, known: [String], active: @Sendable () async -> [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [TransactionRecord] {
        do {
            let ended = try await state.endExpiredIncarnations()
            if !ended.isEmpty {
                logger.warning("leases ran out", metadata: ["replicas": "\(ended)"])
            }
        } catch {
            throw unavailable(error)
        }
        return try await claimed(
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
            RETURNING \(RowCoding.columns)
            """
        ) {
            [
                replica, "\(epoch)", ArrayLiteral.write(await active().map { "\($0.number)" }),
                ArrayLiteral.write(known),
            ]
        }
    }

    /// Undecided rows of other lives that go on, past their deadline by the database's clock.
    ///
    /// A second is left to the owner, whose own timer fires at the deadline.
    public func expired(limit: Int) async throws(LogUnavailable) -> [TransactionRecord] {
        try await records(
            """
            SELECT \(RowCoding.columns) FROM tandem.transactions AS t
            WHERE t.finished_at IS NULL AND t.decision IS NULL AND \(Self.isNotQuarantined)
                AND NOT t.delegated AND t.journal IS NULL
                AND t.expires_at < now() - interval '1 second'
                AND NOT (t.owner = $1 AND t.epoch = $2::bigint) AND \(Self.ownerIsAlive)
            ORDER BY t.number LIMIT \(limit)
            """, [replica, "\(epoch)"])
    }

    /// Notes that a rollback is wanted, where a register decides.
    public func requestRollback(_ id: GlobalTransactionID) async throws(LogUnavailable) {
        _ = try await rows(
            """
            UPDATE tandem.transactions SET rollback_requested = true
            WHERE number = $1::bigint AND salt = $2::bigint AND decision IS NULL
                AND NOT rollback_requested
            """, ["\(id.number)", "\(Int64(bitPattern: id.salt))"])
    }

    /// The row of this id, read by a write of one's own, so that its decision may be acted on and
    /// told: what a plain read shows may be visible and not yet as durable as it has to be.
    public func confirmedRecord(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        try await claimed(
            """
            UPDATE tandem.transactions AS t SET decision = t.decision
            WHERE t.number = $1::bigint AND t.salt = $2::bigint RETURNING \(RowCoding.columns)
            """
        ) { ["\(id.number)", "\(Int64(bitPattern: id.salt))"] }.first
    }

    /// Which ids have rows, and whether somebody drives them.
    public func standing(
        of ids: [GlobalTransactionID]
    ) async throws(LogUnavailable) -> [GlobalTransactionID: RowStanding] {
        let result = try await rows(
            """
            SELECT t.number, t.salt, t.decision, t.finished_at IS NOT NULL, \(Self.ownerIsAlive),
                t.gids
            FROM tandem.transactions AS t WHERE t.number = ANY ($1::bigint[])
            """, [ArrayLiteral.write(ids.map { "\($0.number)" })])
        var standing: [GlobalTransactionID: RowStanding] = [:]
        for row in 0..<result.rowCount {
            guard let number = result.text(row: row, column: 0).flatMap(Int64.init),
                let salt = result.text(row: row, column: 1).flatMap(Int64.init)
            else { continue }
            let id = GlobalTransactionID(number: number, salt: UInt64(bitPattern: salt))
            let decision = result.text(row: row, column: 2).flatMap(Decision.init(rawValue:))
            let isFinished = result.text(row: row, column: 3) == "t"
            let isOwned = result.text(row: row, column: 4) == "t"
            let gids = result.text(row: row, column: 5).flatMap(ArrayLiteral.read) ?? []
            standing[id] = RowStanding(
                row: isFinished ? .finished(decision ?? .abort) : isOwned ? .owned : .adoptable,
                decision: decision, gids: gids.compactMap(\.self))
        }
        return standing
    }
}
