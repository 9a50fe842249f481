import PostgresClient

/// A *life* is one run of a replica: its name and the epoch that it took.
///
/// Whether a life is over stands in its row, and is written once: from then on none of its writes
/// is taken, no session of it can be recorded any more, and its work may be claimed. Were the age of
/// its heartbeat asked instead, a paused replica could beat again between the claim of its rows and
/// the fence, and the fence would spare the very sessions it is there for.
extension StateDatabase {
    /// What makes a life one that goes on; `r` is its row.
    static let isAlive = "NOT r.is_over"

    /// Takes the next epoch of this name: an older process of that name is over from then on.
    ///
    /// It must be as durable as a decision: were it lost, an older life could go on.
    static func begin(
        incarnationOf options: StateOptions, on connection: PostgresConnection
    ) async throws -> Int64 {
        let taken = try await write(
            [
                Command(
                    """
                    INSERT INTO tandem.replicas AS r (name, epoch, participants)
                    VALUES ($1, 1, $2::text[])
                    ON CONFLICT (name) DO UPDATE SET epoch = r.epoch + 1, is_over = false,
                        heartbeat_at = now(), steady_since = '-infinity', started_at = now(),
                        participants = excluded.participants
                    RETURNING epoch
                    """, [options.replica, ArrayLiteral.write(options.participants)])
            ], on: connection, timeout: options.timeout)
        guard let epoch = taken[0].text(row: 0, column: 0).flatMap(Int64.init) else {
            throw StateDatabaseError.unusable(reason: "it answered no epoch")
        }
        return epoch
    }

    /// Says that this life goes on; false if it is over.
    ///
    /// After a gap, or a jump of the database's clock, `steady_since` starts again: who was cut off
    /// himself is no judge of others' silence.
    func renewLease() async throws -> Bool {
        let sql = """
            UPDATE tandem.replicas AS r SET heartbeat_at = now(), steady_since = CASE
                WHEN r.heartbeat_at BETWEEN now() - $3 * interval '0.5 second'
                    AND now() + $3 * interval '0.5 second'
                THEN r.steady_since ELSE now() END
            WHERE r.name = $1 AND r.epoch = $2::bigint AND \(Self.isAlive)
            RETURNING (SELECT quarantine_reason FROM tandem.installation)
            """
        let row = try await leaseRenewer.withConnection(timeout: timeout) { connection in
            try await connection.query(
                sql, [self.replica, "\(self.epoch)", self.leaseSeconds], timeout: self.timeout)
        }
        guard row.rowCount == 1 else { return false }
        identity.note(row.text(row: 0, column: 0))
        return true
    }

    /// Ends the lives whose lease has run out, by the database's clock; answers their names.
    ///
    /// Only a replica that has been in touch for a lease itself may do so: when everybody was cut
    /// off, or the clock has jumped by an hour, every lease looks as if it had run out.
    func endExpiredIncarnations() async throws -> [String] {
        let within = "BETWEEN now() - $3 * interval '1 second' AND now() + $3 * interval '1 second'"
        let ended = try await write(
            """
            UPDATE tandem.replicas AS r SET is_over = true, epoch = r.epoch + 1
            WHERE \(Self.isAlive) AND r.name <> $1 AND r.heartbeat_at NOT \(within)
                AND EXISTS (SELECT FROM tandem.replicas AS me
                    WHERE me.name = $1 AND me.epoch = $2::bigint AND NOT me.is_over
                        AND me.heartbeat_at \(within)
                        AND me.steady_since <= now() - $3 * interval '1 second')
            RETURNING r.name
            """, [replica, "\(epoch)", leaseSeconds])
        return (0..<ended.rowCount).compactMap { ended.text(row: $0, column: 0) }
    }

    /// Gives this life up, so that others need not wait for its lease to run out; false if it was
    /// over before.
    func endOwnIncarnation() async throws -> Bool {
        let ended = try await write(
            """
            UPDATE tandem.replicas AS r SET is_over = true
            WHERE r.name = $1 AND r.epoch = $2::bigint AND \(Self.isAlive) RETURNING 1
            """, [replica, "\(epoch)"])
        return ended.rowCount == 1
    }

    private var leaseSeconds: String { "\(options.lease.components.seconds)" }
}
