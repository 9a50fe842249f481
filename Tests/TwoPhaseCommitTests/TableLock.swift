import EventLoop
import PostgresClient

/// Keeps everybody else from writing into a table, until it is given up.
@LoopActor
final class TableLock {
    private let connection: PostgresConnection

    private init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    static func take(_ table: String, at conninfo: String) async throws -> TableLock {
        try await take(at: conninfo, by: "LOCK TABLE \(table) IN SHARE MODE")
    }

    /// The lock under which a state database is migrated, and so under which every coordinator starts.
    static func takeMigrations(at conninfo: String) async throws -> TableLock {
        try await take(at: conninfo, by: "SELECT pg_advisory_xact_lock(7823645901)")
    }

    private static func take(at conninfo: String, by sql: String) async throws -> TableLock {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: conninfo), timeout: patience)
        for sql in ["BEGIN", sql] { _ = try await connection.query(sql) }
        return TableLock(connection)
    }

    func release() async throws {
        _ = try await connection.query("COMMIT")
        connection.close()
    }
}
