import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import TwoPhaseCommit

/// The servers of one run: throwaway, and with fsync on.
struct Servers: Sendable {
    let users: PostgresCluster
    let orders: PostgresCluster
    let state: PostgresCluster

    static func start() async throws -> Servers {
        let settings = ["max_prepared_transactions": "500", "max_connections": "300"]
        var clusters: [PostgresCluster] = []
        do {
            for name in ["users", "orders", "state"] {
                clusters.append(
                    try await PostgresCluster.start(
                        name: name, settings: settings,
                        initialSQL: [
                            "CREATE TABLE users (id bigint PRIMARY KEY, name text)",
                            "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint)",
                        ]))
            }
        } catch {
            for cluster in clusters { await cluster.remove() }
            throw error
        }
        let servers = Servers(users: clusters[0], orders: clusters[1], state: clusters[2])
        do {
            try await servers.prepareBare()
        } catch {
            await servers.stop()
            throw error
        }
        return servers
    }

    /// The bare client's own database, with the tables that it works on.
    private func prepareBare() async throws {
        for cluster in [users, orders, state] {
            _ = try await cluster.psql("CREATE DATABASE \(Bare.database)")
            _ = try await cluster.psql(
                """
                CREATE TABLE users (id text PRIMARY KEY, name text);
                CREATE TABLE orders (id text PRIMARY KEY, user_id text, amount numeric)
                """, database: Bare.database)
        }
    }

    /// Writes checkpoints, so that no mode pays for what another has written.
    func settle() async throws {
        for cluster in [users, orders, state] { _ = try await cluster.psql("CHECKPOINT") }
    }

    /// Every transaction has to be in both databases: a figure for lost work is worth nothing.
    func check(rows: Int) async throws {
        for (cluster, table) in [(users, "users"), (orders, "orders")] {
            let found = try await cluster.psql(
                "SELECT (SELECT count(*) FROM \(table)), (SELECT count(*) FROM pg_prepared_xacts)")
            guard found == "\(rows)|0" else { throw Mismatch(found: found, wanted: rows) }
        }
    }

    struct Mismatch: Error {
        let found: String
        let wanted: Int
    }

    func stop() async {
        for cluster in [users, orders, state] { await cluster.remove() }
    }
}

/// Every command its own round trip, one database after the other, and no log; on the loop
/// throughout, which spares it every change of threads.
@LoopActor
final class Naive {
    private let users: ConnectionPool
    private let orders: ConnectionPool

    private init(_ users: ConnectionPool, _ orders: ConnectionPool) {
        self.users = users
        self.orders = orders
    }

    static func open(_ servers: Servers, connections: Int) async throws -> Naive {
        func pool(_ cluster: PostgresCluster) throws -> ConnectionPool {
            ConnectionPool(
                options: try ConnectionOptions(conninfo: cluster.connectionString()),
                size: connections, minimumIdle: connections, connectTimeout: .seconds(10),
                prepare: { _ in })
        }
        return Naive(try pool(servers.users), try pool(servers.orders))
    }

    func run(_ number: Int) async throws {
        let gid = "naive-\(number)"
        try await prepare(
            users, gid, "INSERT INTO users (id, name) VALUES ($1, $2)", ["\(number)", "Ada"])
        try await prepare(
            orders, gid, "INSERT INTO orders (id, user_id) VALUES ($1, $2)",
            ["\(number)", "\(number)"])
        for pool in [users, orders] {
            try await pool.withConnection(timeout: .seconds(30)) { connection in
                _ = try await connection.execute(
                    [[Command("COMMIT PREPARED '\(gid)'", cached: false)]])
            }
        }
    }

    private func prepare(
        _ pool: ConnectionPool, _ gid: String, _ sql: String, _ parameters: [String?]
    ) async throws {
        try await pool.withConnection(timeout: .seconds(30)) { connection in
            _ = try await connection.query("BEGIN")
            _ = try await connection.query(sql, parameters)
            _ = try await connection.execute(
                [[Command("PREPARE TRANSACTION '\(gid)'", cached: false)]])
        }
    }

    func close() async {
        await users.close()
        await orders.close()
    }
}

/// The library, as a program uses it.
struct Library: Sendable {
    enum Log: String, Sendable {
        case kept = "with a log"
        case journal = "with a journal"
        case none = "without a log"
    }

    let name: String
    private let users: Database
    private let orders: Database
    private let coordinator: Coordinator

    /// Closures on the event loop first, which is where the naive way runs; then on the global
    /// executor, which is the default.
    static func all(_ servers: Servers) -> [Library] {
        [
            Library(servers, .kept, Coordinator.eventLoop),
            Library(servers, .journal, Coordinator.eventLoop),
            Library(servers, .none, Coordinator.eventLoop),
            Library(servers, .kept, nil), Library(servers, .journal, nil),
        ]
    }

    private init(_ servers: Servers, _ log: Log, _ executor: (any TaskExecutor)?) {
        name = log.rawValue + (executor == nil ? ", closures off the loop" : "")
        var users = Database("users", at: servers.users.connectionString())
        users.keepsJournal = log == .journal
        self.users = users
        orders = Database("orders", at: servers.orders.connectionString())
        let state = StateDatabase(
            at: servers.state.connectionString(),
            replica: "bench-\(log)-\(executor == nil ? "global" : "loop")")
        var configuration = Configuration(
            databases: [users, orders], log: log == .none ? .logless : .database(state))
        configuration.executorPreference = executor
        coordinator = Coordinator(configuration)
    }

    func run(_ number: Int) async throws {
        _ = try await coordinator.run([
            Participant(users) { tx in
                try await tx.execute(
                    "INSERT INTO users (id, name) VALUES ($1, $2)", number, "Ada")
            },
            Participant(orders) { tx in
                try await tx.execute(
                    "INSERT INTO orders (id, user_id) VALUES ($1, $2)", number, number)
            },
        ])
    }

    func close() async { await coordinator.shutdown() }
}
