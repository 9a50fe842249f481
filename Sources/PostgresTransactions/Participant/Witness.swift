import EventLoop
import PostgresClient

/// A row that a branch writes, so that it is visible only if the branch has committed.
///
/// It proves a commit where the transaction's status may be too old to tell, or means nothing because the
/// timeline is another. Its absence proves nothing: the row may have been removed, or the witness may
/// not have been configured at the time.
enum Witness {
    private static let table = "tandem_participant.witness"

    private static let creation = [
        "CREATE SCHEMA IF NOT EXISTS tandem_participant",
        """
        CREATE TABLE IF NOT EXISTS \(table) (
            gid text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp()) USING heap
        """,
    ]

    /// The SQL for an administrator, where our role may not create the table.
    ///
    /// The administrator's role then owns it; ours may add rows, read them and remove old ones, and
    /// never change one.
    static func script(role: String) -> String {
        statements(role: role).map { $0 + ";" }.joined(separator: " ")
    }

    /// The same, each statement by itself.
    static func statements(role: String) -> [String] {
        creation + [
            "GRANT USAGE ON SCHEMA tandem_participant TO \(role.quotedIdentifier)",
            "GRANT SELECT, INSERT, DELETE ON \(table) TO \(role.quotedIdentifier)",
        ]
    }

    /// Writes the row of the branch whose name is the parameter; sent after the role was reset, and right
    /// before PREPARE.
    static let record = Command.fixed("INSERT INTO \(table) (gid) VALUES ($1)").with([nil])

    /// The session's role, and whether it may use the table; nil if there is no table.
    ///
    /// A name alone would not show that the table exists and this role may not use it.
    private static let access = Query<(role: String, isAllowed: Bool?)>(
        """
        SELECT session_user, (
            SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (
                SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, p))
                FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS p)
            FROM pg_catalog.pg_class AS c
                JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'tandem_participant' AND c.relname = 'witness')
        """
    ) { row in (row.text() ?? "", row.text().map { $0 == "t" }) }

    /// Creates the table if it is missing.
    @LoopActor
    static func prepare(_ connection: PostgresConnection, timeout: Duration) async throws {
        let access = try await connection.row(access, timeout: timeout)
        let script = script(role: access?.role ?? "")
        switch access?.isAllowed {
        case true: return
        case false:
            throw SessionRefusal.unusable(
                "the witness table belongs to another role, and this role may not use it; "
                    + "an administrator has to allow it: \(script)")
        case nil: break
        }
        // Several sessions may find it missing; IF NOT EXISTS alone would let them collide.
        let lock = Command("SELECT pg_advisory_xact_lock(7823645902)")
        let replies = try await connection.execute(
            [[Command("BEGIN"), lock] + creation.map { Command($0) } + [Command("COMMIT")]],
            timeout: timeout)
        for case .failed(let message) in replies[0] {
            _ = try await connection.execute([[Command("ROLLBACK")]], timeout: timeout)
            throw SessionRefusal.unusable(
                "this role cannot create the witness table (\(message.message)); an administrator "
                    + "has to: \(script)")
        }
    }

    private static let visible = Query<Bool>(
        "SELECT NOT pg_is_in_recovery() AND EXISTS (SELECT FROM \(table) WHERE gid = $1)"
    ) { $0.isTrue() }

    /// Whether a branch's row is visible on this very session, which must not be a standby's.
    @LoopActor
    static func isVisible(_ gid: String, on connection: PostgresConnection) async throws -> Bool {
        try await connection.row(visible, [gid], timeout: .seconds(30)) ?? false
    }

    /// Removes a batch of rows older than the retention, by the participant's clock.
    @LoopActor
    static func trim(
        olderThanSeconds seconds: Int64, limit: Int, on connection: PostgresConnection
    ) async throws {
        _ = try await connection.query(
            """
            DELETE FROM \(table) WHERE ctid = ANY (ARRAY (
                SELECT ctid FROM \(table)
                WHERE at < now() - $1::bigint * interval '1 second' LIMIT \(limit)))
            """, ["\(seconds)"], timeout: .seconds(60))
    }
}
