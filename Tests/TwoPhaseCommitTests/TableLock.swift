import EventLoop
import PostgresClient

/// Blocks other writers of a table until it is released.
@LoopActor
final class TableLock {
    private let connection: PostgresConnection

    private init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    static func take(_ table: String, at conninfo: String) async throws -> TableLock {
        try await take(at: conninfo, by: "LOCK TABLE \(table) IN SHARE MODE")
    }

    /// The lock of migrations of a state database, which every start takes.
    static func takeMigrations(at conninfo: String) async throws -> TableLock {
        try await take(at: conninfo, by: "SELECT pg_advisory_xact_lock(7823645901)")
    }

    private static func take(at conninfo: String, by sql: String) async throws -> TableLock {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: conninfo), timeout: patience, loop: .shared)
        for sql in ["BEGIN", sql] { _ = try await connection.query(sql) }
        return TableLock(connection)
    }

    func release() async throws {
        _ = try await connection.query("COMMIT")
        connection.close()
    }
}
