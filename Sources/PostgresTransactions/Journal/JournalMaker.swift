import EventLoop
import PostgresClient

/// Looks at a participant's journal, and makes it.
@LoopActor
enum JournalMaker {
    /// How a journal was found.
    struct Standing: Sendable, Hashable {
        /// Whether it is there, whole, and may be used.
        let isUsable: Bool
        /// Whether the session's role owns it, directly or as a superuser.
        let isOwned: Bool
    }

    /// Asks the catalogs.
    static func inspect(on connection: PostgresConnection) async throws -> Standing {
        let row = try await connection.query(Journal.inspection.sql, timeout: .seconds(10))
        return Standing(
            isUsable: row.text(row: 0, column: 0) == "t",
            isOwned: row.text(row: 0, column: 1) == "t")
    }

    /// Looks at the journal for `tandem check`.
    ///
    /// Where it is missing, the finding holds the statements that make it.
    static func examine(_ connection: PostgresConnection) async throws -> Diagnosis.Check {
        let standing = try await inspect(on: connection)
        if standing.isUsable {
            return standing.isOwned
                ? .init(
                    "journal", .warning,
                    "The journal of decisions belongs to tandem's own role, so callers' SQL could "
                        + "change decisions; let another role own schema tandem_participant.")
                : .init("journal", .ok, "Its journal of decisions is in order.")
        }
        let row = try await connection.query(
            """
            SELECT session_user,
                pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
            """, timeout: Diagnostics.patience)
        let sql = JournalSchema.statements(role: row.text(row: 0, column: 0) ?? "")
            .map { $0 + ";" }.joined(separator: "\n")
        return row.text(row: 0, column: 1) == "t"
            ? .init(
                "journal", .warning,
                "There is no journal of decisions; the next start makes it, or better let another "
                    + "role run there:\n" + sql)
            : .init(
                "journal", .failing,
                "There is no journal of decisions, and the role may not make it; run there:\n" + sql
            )
    }

    /// Makes what is missing, in one transaction; replicas that start together take turns.
    static func make(on connection: PostgresConnection, role: String) async throws {
        var commands = [
            Command("BEGIN"), Command("SELECT pg_advisory_xact_lock(7823645902)"),
        ]
        commands += JournalSchema.statements(role: role).map { Command($0, cached: false) }
        commands.append(Command("COMMIT"))
        let replies = try await connection.execute([commands], timeout: .seconds(30))
        for case .failed(let message) in replies[0] {
            _ = try await connection.execute([[Command("ROLLBACK")]], timeout: .seconds(10))
            throw PostgresError.server(message)
        }
    }
}
