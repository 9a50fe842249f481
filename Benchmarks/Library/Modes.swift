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

    static func start(inFlight: Int) async throws -> Servers {
        // Each of the coordinators keeps its sessions while the others are measured.
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
    private let load: Load

    private init(_ users: ConnectionPool, _ orders: ConnectionPool, _ load: Load) {
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
                prepare: { _ in })
        }
        return Naive(try pool(servers.users), try pool(servers.orders), load)
    }

    func run(_ number: Int) async throws {
        let gid = "naive-\(number)"
        try await prepare(users, gid, SQL.user, number) { ["\($0)", "Ada"] }
        try await prepare(orders, gid, SQL.order, number) { ["\($0)", "\($0)"] }
        for pool in [users, orders] {
            try await pool.withConnection(timeout: .seconds(30)) { connection in
                _ = try await connection.execute(
                    [[Command("COMMIT PREPARED '\(gid)'", cached: false)]])
            }
        }
    }

    private func prepare(
        _ pool: ConnectionPool, _ gid: String, _ sql: String, _ number: Int,
        _ parameters: @Sendable (Int) -> [String?]
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

/// What all of them run.
enum SQL {
    static let user = "INSERT INTO users (id, name) VALUES ($1, $2)"
    static let order = "INSERT INTO orders (id, user_id) VALUES ($1, $2)"
}

/// The library, as a program uses it.
struct Library: Sendable {
    enum Log: String, Sendable {
        case kept = "with a log"
        case journal = "with a journal"
        case none = "without a log"
    }

    /// How the work is given.
    enum Way: String, Sendable {
        /// Closures on the event loop, which is where the naive way runs.
        case closures = "closures on the loop"
        /// Closures on the global executor, which is the default.
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
            Library(servers, load, .kept, .closures), Library(servers, load, .journal, .closures),
            Library(servers, load, .none, .closures),
            Library(servers, load, .kept, .statements),
            Library(servers, load, .journal, .statements),
            Library(servers, load, .kept, .closuresOffLoop),
            Library(servers, load, .journal, .closuresOffLoop),
        ]
    }

    private init(_ servers: Servers, _ load: Load, _ log: Log, _ way: Way) {
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
