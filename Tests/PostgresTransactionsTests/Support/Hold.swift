import EventLoop
import PostgresClient
import PostgresClusters

/// A session that holds locks until the test lets them go.
@LoopActor
final class Hold {
    private let connection: PostgresConnection

    fileprivate init(_ connection: PostgresConnection) {
        self.connection = connection
    }

    func release() {
        connection.close()
    }
}

extension PostgresCluster {
    /// Runs a body on the loop with a server of its own.
    static func withTemporaryOnLoop(
        _ body: @LoopActor @Sendable (PostgresCluster) async throws -> Void
    ) async throws {
        try await withTemporary(settings: ["fsync": "off"]) { try await body($0) }
    }

    /// Opens a transaction with a statement that takes locks.
    @LoopActor
    func hold(_ sql: String) async throws -> Hold {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: connectionString()), timeout: .seconds(300), loop: .shared)
        _ = try await connection.query("BEGIN")
        _ = try await connection.query(sql)
        return Hold(connection)
    }

    /// Returns when so many sessions wait for locks of others.
    @LoopActor
    func untilLocksAreAwaited(by count: Int) async throws {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: connectionString()), timeout: .seconds(300), loop: .shared)
        defer { connection.close() }
        while try await connection.query(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        ).text(row: 0, column: 0) != "\(count)" {
            try Task.checkCancellation()
        }
    }
}
