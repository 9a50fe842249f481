import EventLoop
import PostgresClient

/// A row that is written inside a branch, and is seen only if the branch has committed.
///
/// It proves a commit without the transaction's status, which may be too old to tell, and means
/// nothing on another timeline. It never proves the contrary: a row that is not there may have been
/// removed, or may never have been wanted.
enum Witness {
    /// The schema in the participant's database.
    static let schema = "tandem_participant"

    private static let creation = [
        "CREATE SCHEMA IF NOT EXISTS \(schema)",
        """
        CREATE TABLE IF NOT EXISTS \(schema).witness (
            gid text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp()) USING heap
        """,
    ]

    /// The SQL for an administrator, where our role may not create it: who runs it owns the table,
    /// and the role may add rows, see them and remove old ones, and never change one.
    static func script(role: String) -> String {
        let name = "\"" + role.replacing("\"", with: "\"\"") + "\""
        let grants = [
            "GRANT USAGE ON SCHEMA \(schema) TO \(name)",
            "GRANT SELECT, INSERT, DELETE ON \(schema).witness TO \(name)",
        ]
        return (creation + grants).map { $0 + ";" }.joined(separator: " ")
    }

    /// Sent after the role was set back, and right before PREPARE.
    static func record(_ gid: String) -> Command {
        Command("INSERT INTO \(schema).witness (gid) VALUES ($1)", [gid])
    }

    /// Makes the table if it is not there.
    @LoopActor
    static func prepare(_ connection: PostgresConnection, timeout: Duration) async throws {
        // The catalogs tell what a name cannot: that the table is there, but not for this role.
        let found = try await connection.query(
            """
            SELECT session_user, (
                SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (
                    SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, p))
                    FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'DELETE']) AS p)
                FROM pg_catalog.pg_class AS c
                    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = '\(schema)' AND c.relname = 'witness')
            """, timeout: timeout)
        let script = script(role: found.text(row: 0, column: 0) ?? "")
        switch found.text(row: 0, column: 1) {
        case "t": return
        case "f":
            throw SessionRefusal.unusable(
                "the witness table is another role's, and this one may not use it; "
                    + "an administrator has to allow it: \(script)")
        default: break
        }
        // Several sessions may find it missing; IF NOT EXISTS alone would let them collide.
        let lock = Command("SELECT pg_advisory_xact_lock(7823645902)")
        let replies = try await connection.execute(
            [[Command("BEGIN"), lock] + creation.map { Command($0) } + [Command("COMMIT")]],
            timeout: timeout)
        for case .failed(let message) in replies[0] {
            _ = try await connection.execute([[Command("ROLLBACK")]], timeout: timeout)
            throw SessionRefusal.unusable(
                "the witness table cannot be made (\(message.message)); an administrator has to: "
                    + script)
        }
    }

    /// Whether the row is seen on this very session, which must not be a standby's.
    @LoopActor
    static func isSeen(
        _ gid: String, on connection: PostgresConnection
    ) async throws -> Bool {
        let row = try await connection.query(
            """
            SELECT NOT pg_is_in_recovery() AND EXISTS (
                SELECT FROM \(schema).witness WHERE gid = $1)
            """, [gid], timeout: .seconds(30))
        return row.text(row: 0, column: 0) == "t"
    }

    /// Removes a batch of rows older than the retention, by the participant's clock.
    @LoopActor
    static func trim(
        olderThanSeconds seconds: Int64, limit: Int, on connection: PostgresConnection
    ) async throws {
        _ = try await connection.query(
            """
            DELETE FROM \(schema).witness WHERE ctid = ANY (ARRAY (
                SELECT ctid FROM \(schema).witness
                WHERE at < now() - $1::bigint * interval '1 second' LIMIT \(limit)))
            """, ["\(seconds)"], timeout: .seconds(60))
    }
}
