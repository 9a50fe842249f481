import EventLoop
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct HostListTests {
    private struct Unsuitable: Error {}

    /// Twice the same server.
    private func twice(_ cluster: Cluster) throws -> ConnectionOptions {
        try cluster.options([
            "host": "127.0.0.1,127.0.0.1", "port": "\(cluster.port),\(cluster.port)",
        ])
    }

    @Test func skipsUnsuitableServer() async throws {
        let cluster = try await Cluster.shared.value
        var calls = 0
        var failures = 0
        let pool = ConnectionPool(
            options: try twice(cluster),
            configuration: PoolConfiguration(size: 1, connectTimeout: patience), loop: .shared
        ) { connection in
            calls += 1
            if calls == 1 { throw Unsuitable() }
            _ = try await connection.query("SELECT 1")
        }
        pool.onFailure = { failures += 1 }
        pool.giveBack(try await pool.acquire(timeout: patience))
        #expect(calls == 2)
        // Not an attempt later, nor after a wait.
        #expect(failures == 0)
        await pool.close()
    }

    @Test func reportsReasonOfEachFailedServer() async throws {
        let cluster = try await Cluster.shared.value
        let dead = try LoopbackListener(refuses: true)
        defer { dead.close() }
        let options = try cluster.options([
            "host": "127.0.0.1,127.0.0.1", "port": "\(dead.port),\(cluster.port)",
        ])
        let error = await failure {
            _ = try await PostgresConnection.connect(options, timeout: patience, loop: .shared) {
                _ in
                throw Unsuitable()
            }
        }
        guard case .unreachable(let reason) = error else { return #expect(error == nil) }
        #expect(reason.contains("127.0.0.1:\(dead.port): "))
        #expect(reason.contains("refused"))
        #expect(reason.hasSuffix("; 127.0.0.1:\(cluster.port): Unsuitable()"))
        // Of one alone the error is its own.
        await #expect(throws: Unsuitable.self) {
            _ = try await PostgresConnection.connect(
                try cluster.options(), timeout: patience, loop: .shared
            ) { _ in throw Unsuitable() }
        }
    }

    @Test func skipsServerThatRefuses() async throws {
        let cluster = try await Cluster.shared.value
        let other = try await Cluster.start()
        let name = uniqueName("only_here")
        let admin = try await connect()
        _ = try await admin.query("CREATE DATABASE \(name)")
        admin.close()
        let options = try cluster.options([
            "host": "127.0.0.1,127.0.0.1", "port": "\(other.port),\(cluster.port)",
            "dbname": name,
        ])
        let connection = try await PostgresConnection.connect(
            options, timeout: patience, loop: .shared)
        let port = try await connection.query("SELECT inet_server_port()")
        #expect(port.text(row: 0, column: 0) == "\(cluster.port)")
        connection.close()
        await other.stop()
    }

    @Test func leavesTimeForNextServerAfterSilentOne() async throws {
        let cluster = try await Cluster.shared.value
        let silent = try LoopbackListener()
        defer { silent.close() }
        // The pool tries again, should the half of this be too short on a busy machine.
        let pool = ConnectionPool(
            options: try cluster.options([
                "host": "127.0.0.1,127.0.0.1", "port": "\(silent.port),\(cluster.port)",
            ]),
            configuration: PoolConfiguration(size: 1, connectTimeout: .seconds(2)), loop: .shared)
        pool.giveBack(try await pool.acquire(timeout: patience))
        await pool.close()
    }
}
