import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import TwoPhaseCommit

/// The temporary servers of one run, with fsync on.
struct Servers: Sendable {
    let users: PostgresCluster
    let orders: PostgresCluster
    let state: PostgresCluster

    static func start(inFlight: Int) async throws -> Servers {
        // Each coordinator keeps its sessions while others are measured.
        let settings = [
            "max_prepared_transactions": "\(max(500, inFlight))",
            "max_connections": "\(300 + inFlight)",
        ]
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

    /// Creates the bare client's databases and tables.
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

    /// Writes checkpoints, so that no mode pays for the writes of another.
    func settle() async throws {
        for cluster in [users, orders, state] { _ = try await cluster.psql("CHECKPOINT") }
    }

    /// Checks that every transaction is in both databases.
    func check(rows: Int) async throws {
        for (cluster, table) in [(users, "users"), (orders, "orders")] {
            let found = try await cluster.psql(
                "SELECT (SELECT count(*) FROM \(table)), (SELECT count(*) FROM pg_prepared_xacts)")
            guard found == "\(rows)|0" else { throw Mismatch(found: found, expected: rows) }
        }
    }

    struct Mismatch: Error {
        let found: String
        let expected: Int
    }

    func stop() async {
        for cluster in [users, orders, state] { await cluster.remove() }
    }
}

/// The naive implementation: a round trip per command, one database after the other, without a log.
///
/// It runs on the event loop, without thread switches.
@LoopActor
final class Naive {
    private let users: ConnectionPool
    private let orders: ConnectionPool
    private let load: Load

    private init(users: ConnectionPool, orders: ConnectionPool, load: Load) {
        self.users = users
        self.orders = orders
        self.load = load
    }

    static func open(
        _ servers: Servers, _ load: Load, connections: Int
    ) async throws -> Naive {
        func pool(_ cluster: PostgresCluster) throws -> ConnectionPool {
            ConnectionPool(
                options: try ConnectionOptions(conninfo: cluster.connectionString()),
                size: connections, minimumIdle: connections, connectTimeout: .seconds(10),
                loop: .shared,
                prepare: { _ in })
        }
        return Naive(
            users: try pool(servers.users), orders: try pool(servers.orders), load: load)
    }

    func run(_ number: Int) async throws {
        let gid = "naive-\(number)"
        try await prepare(gid, in: users, running: SQL.user, number: number) { ["\($0)", "Ada"] }
        try await prepare(gid, in: orders, running: SQL.order, number: number) {
            ["\($0)", "\($0)"]
        }
        for pool in [users, orders] {
            try await pool.withConnection(timeout: .seconds(30)) { connection in
                _ = try await connection.execute(
                    [[Command("COMMIT PREPARED '\(gid)'", cached: false)]])
            }
        }
    }

    private func prepare(
        _ gid: String, in pool: ConnectionPool, running sql: String, number: Int,
        parameters: @Sendable (Int) -> [String?]
    ) async throws {
        let ids = load.ids(number)
        try await pool.withConnection(timeout: .seconds(30)) { connection in
            _ = try await connection.query("BEGIN")
            for id in ids { _ = try await connection.query(sql, parameters(id)) }
            _ = try await connection.execute(
                [[Command("PREPARE TRANSACTION '\(gid)'", cached: false)]])
        }
    }

    func close() async {
        await users.close()
        await orders.close()
    }
}

/// The statements of all modes.
enum SQL {
    static let user = "INSERT INTO users (id, name) VALUES ($1, $2)"
    static let order = "INSERT INTO orders (id, user_id) VALUES ($1, $2)"
}

/// The library as a program uses it.
struct Library: Sendable {
    enum Log: String, Sendable {
        case kept = "with a log"
        case journal = "with a journal"
        case none = "without a log"
    }

    /// The kind of participants.
    enum Way: String, Sendable {
        /// Closures on the event loop, where the naive implementation runs.
        case closures = "closures on the loop"
        /// Closures on the global executor, the default.
        case closuresOffLoop = "closures off the loop"
        /// Statements, without a closure.
        case statements = "statements"
    }

    let log: Log
    let way: Way
    private let load: Load
    private let users: Database
    private let orders: Database
    private let coordinator: Coordinator

    var name: String { Self.name(log, way) }

    static func name(_ log: Log, _ way: Way) -> String { "\(log.rawValue), \(way.rawValue)" }

    static func all(_ servers: Servers, _ load: Load) -> [Library] {
        [
            Library(servers, load, log: .kept, way: .closures),
            Library(servers, load, log: .journal, way: .closures),
            Library(servers, load, log: .none, way: .closures),
            Library(servers, load, log: .kept, way: .statements),
            Library(servers, load, log: .journal, way: .statements),
            Library(servers, load, log: .kept, way: .closuresOffLoop),
            Library(servers, load, log: .journal, way: .closuresOffLoop),
        ]
    }

    private init(_ servers: Servers, _ load: Load, log: Log, way: Way) {
        self.log = log
        self.way = way
        self.load = load
        var users = Database("users", at: servers.users.connectionString())
        users.keepsJournal = log == .journal
        self.users = users
        orders = Database("orders", at: servers.orders.connectionString())
        let state = LogLocation.StateDatabase(
            at: servers.state.connectionString(), replica: "bench-\(log)-\(way)".lowercased())
        var configuration = Coordinator.Configuration(
            databases: [users, orders], log: log == .none ? .logless : .database(state))
        if way != .closuresOffLoop { configuration.executorPreference = Coordinator.eventLoop }
        coordinator = Coordinator(configuration)
    }

    func run(_ number: Int) async throws {
        let ids = load.ids(number)
        switch way {
        case .statements:
            _ = try await coordinator.run([
                Participant(users, statements: userRows(ids)),
                Participant(orders, statements: orderRows(ids)),
            ])
        case .closures, .closuresOffLoop:
            if ids.count == 1 { return try await runClosures(number) }
            _ = try await coordinator.run([
                Participant(users) { tx in try await tx.execute(userRows(ids)) },
                Participant(orders) { tx in try await tx.execute(orderRows(ids)) },
            ])
        }
    }

    private func runClosures(_ id: Int) async throws {
        _ = try await coordinator.run([
            Participant(users) { tx in try await tx.execute(SQL.user, id, "Ada") },
            Participant(orders) { tx in try await tx.execute(SQL.order, id, id) },
        ])
    }

    private func userRows(_ ids: Range<Int>) -> [SQLStatement] {
        ids.map { SQLStatement(SQL.user, $0, "Ada") }
    }

    private func orderRows(_ ids: Range<Int>) -> [SQLStatement] {
        ids.map { SQLStatement(SQL.order, $0, $0) }
    }

    func close() async { await coordinator.shutdown() }
}
