import PostgresClient

/// An *incarnation* is one run of a replica: its name and the epoch that it took.
///
/// Whether it is over stands in its row, and is written once. From then on none of its writes is
/// accepted, no session of it can be recorded, and its work may be claimed. If the age of its
/// heartbeat counted instead, a paused replica could send one between the claim of its rows and the
/// fence, and the fence would spare the very sessions that it is there for.
extension StateDatabase {
    /// Whether an incarnation is not over; `r` is its row.
    nonisolated static let isAlive = "NOT r.ended"

    /// Takes the next epoch of this name: an older process of that name is over from then on.
    ///
    /// The write must be as durable as a decision: if it were lost, an older incarnation could go
    /// on.
    static func begin(
        incarnationOf options: StateOptions, on connection: PostgresConnection
    ) async throws -> Int64 {
        let epoch = RowFormat { $0.value("r.epoch", as: Int64.self) }
        let taken = try await write(
            [
                Command(
                    """
                    INSERT INTO tandem.replicas AS r (name, epoch, participants)
                    VALUES ($1, 1, $2::text[])
                    ON CONFLICT (name) DO UPDATE SET epoch = r.epoch + 1, ended = false,
                        heartbeat_at = now(), uninterrupted_since = '-infinity',
                        started_at = now(), participants = excluded.participants
                    RETURNING \(epoch.columns)
                    """, [options.replica, ArrayLiteral.write(options.participants)])
            ], on: connection, timeout: options.timeout)
        guard let epoch = epoch.first(of: taken[0]) else {
            throw StateDatabaseError.unusable(reason: "it returned no epoch")
        }
        return epoch
    }

    /// Sends a heartbeat; returns false if this incarnation is over.
    ///
    /// After a gap, or a jump of the database's clock, `uninterrupted_since` starts again: a
    /// replica that was cut off itself cannot judge whether others are silent.
    func renewLease() async throws -> Bool {
        let reason = RowFormat {
            $0.text("(SELECT quarantine_reason FROM tandem.installation)")
        }
        let sql = """
            UPDATE tandem.replicas AS r SET heartbeat_at = now(), uninterrupted_since = CASE
                WHEN r.heartbeat_at BETWEEN now() - $3 * interval '0.5 second'
                    AND now() + $3 * interval '0.5 second'
                THEN r.uninterrupted_since ELSE now() END
            WHERE r.name = $1 AND r.epoch = $2::bigint AND \(Self.isAlive)
            RETURNING \(reason.columns)
            """
        let result = try await leaseRenewer.withConnection(timeout: timeout) { connection in
            try await connection.query(
                sql, [self.replica, "\(self.epoch)", self.leaseSeconds], timeout: self.timeout)
        }
        guard result.rowCount == 1 else { return false }
        identity.note(reason.first(of: result))
        return true
    }

    /// Ends the incarnations whose lease has run out by the database's clock; returns their names.
    ///
    /// Only a replica that was in touch for a whole lease itself may do so: if all replicas were
    /// cut off, or the clock has jumped by an hour, every lease looks as if it had run out.
    func endExpiredIncarnations() async throws -> [String] {
        let within = "BETWEEN now() - $3 * interval '1 second' AND now() + $3 * interval '1 second'"
        let name = RowFormat { $0.text("r.name") }
        return name.rows(
            of: try await write(
                """
                UPDATE tandem.replicas AS r SET ended = true, epoch = r.epoch + 1
                WHERE \(Self.isAlive) AND r.name <> $1 AND r.heartbeat_at NOT \(within)
                    AND EXISTS (SELECT FROM tandem.replicas AS me
                        WHERE me.name = $1 AND me.epoch = $2::bigint AND NOT me.ended
                            AND me.heartbeat_at \(within)
                            AND me.uninterrupted_since <= now() - $3 * interval '1 second')
                RETURNING \(name.columns)
                """, [replica, "\(epoch)", leaseSeconds]))
    }

    /// Gives this incarnation up, so that others need not wait for its lease to run out; returns
    /// false if it was over before.
    func endOwnIncarnation() async throws -> Bool {
        let ended = try await write(
            """
            UPDATE tandem.replicas AS r SET ended = true
            WHERE r.name = $1 AND r.epoch = $2::bigint AND \(Self.isAlive) RETURNING 1
            """, [replica, "\(epoch)"])
        return ended.rowCount == 1
    }

    private var leaseSeconds: String { "\(options.lease.components.seconds)" }
}
