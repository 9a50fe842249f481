import Foundation
import PostgresClusters
import Testing
import TwoPhaseCommit

/// The tests with servers, one after the other: each starts its own servers, and in parallel they would
/// only be slower.
@Suite(.serialized) enum LibraryTests {}

/// The time limit for expected events; long, since the machine may be busy.
let patience = Duration.seconds(300)

/// Two databases on separate servers, the first of which may hold the log, and their coordinators.
func withTestbed(
    log: Bool = true, _ body: (Testbed) async throws -> Void
) async throws {
    let testbed = try await Testbed.raise(log: log)
    do {
        try await body(testbed)
    } catch {
        await testbed.strike()
        throw error
    }
    await testbed.strike()
}

final class Testbed: Sendable {
    static let tables = [
        "CREATE TABLE users (id text PRIMARY KEY, name text)",
        "CREATE TABLE orders (id text PRIMARY KEY, user_id text, amount numeric)",
    ]

    let users: PostgresCluster
    let orders: PostgresCluster
    let hasLog: Bool

    private init(users: PostgresCluster, orders: PostgresCluster, hasLog: Bool) {
        self.users = users
        self.orders = orders
        self.hasLog = hasLog
    }

    static func raise(log: Bool) async throws -> Testbed {
        let server = [
            "fsync": "off", "max_prepared_transactions": "100", "max_connections": "120",
        ]
        async let other = PostgresCluster.start(
            name: "orders", settings: server, initialSQL: tables)
        let users: PostgresCluster
        do {
            users = try await PostgresCluster.start(
                name: "users", settings: server, initialSQL: tables)
        } catch {
            await (try? other)?.remove()
            throw error
        }
        do {
            let orders = try await other
            let testbed = Testbed(users: users, orders: orders, hasLog: log)
            if log { _ = try await users.psql("CREATE DATABASE state") }
            return testbed
        } catch {
            await users.remove()
            await (try? other)?.remove()
            throw error
        }
    }

    func strike() async {
        async let one: Void = users.remove()
        await orders.remove()
        await one
    }

    var stateConnection: String { users.connectionString(database: "state") }

    var usersDatabase: Database { Self.database("users", users) }
    var ordersDatabase: Database { Self.database("orders", orders) }

    private static func database(_ name: String, _ cluster: PostgresCluster) -> Database {
        var database = Database(name, at: cluster.connectionString())
        database.connectTimeout = patience
        return database
    }

    func configuration(replica: String = "library-1") -> Coordinator.Configuration {
        var location = LogLocation.logless
        if hasLog {
            var database = LogLocation.StateDatabase(at: stateConnection, replica: replica)
            database.timeout = .seconds(300)
            location = .database(database)
        }
        var configuration = Coordinator.Configuration(
            databases: [usersDatabase, ordersDatabase], log: location)
        configuration.allowsFsyncOff = true
        configuration.timeout = patience
        configuration.shutdownGrace = .seconds(2)
        return configuration
    }

    /// Runs a body with a coordinator.
    func coordinate(
        _ change: (inout Coordinator.Configuration) -> Void = { _ in },
        _ body: (Coordinator) async throws -> Void
    ) async throws {
        var configuration = configuration()
        change(&configuration)
        try await Coordinator.with(configuration, body)
    }

    func user(_ id: String) -> Participant<Int> {
        Participant(usersDatabase) { tx in
            try await tx.execute("INSERT INTO users (id, name) VALUES ($1, $2)", id, "Ada")
        }
    }

    func order(_ id: String) -> Participant<Int> {
        Participant(ordersDatabase) { tx in
            try await tx.execute(
                "INSERT INTO orders (id, user_id, amount) VALUES ($1, $2, $3)", id, "u", 42)
        }
    }

    /// Expects these rows, nothing prepared, and no open transaction.
    func expectQuiet(users: Int, orders: Int) async throws {
        for cluster in [self.users, self.orders] {
            try await until("no transaction of ours is left") {
                try await cluster.psql(
                    """
                    SELECT (SELECT count(*) FROM pg_prepared_xacts), (SELECT count(*)
                        FROM pg_stat_activity WHERE application_name LIKE 'tandem-%'
                            AND (state <> 'idle' OR xact_start IS NOT NULL))
                    """) == "0|0"
            }
        }
        #expect(try await self.users.psql("SELECT count(*) FROM users") == "\(users)")
        #expect(try await self.orders.psql("SELECT count(*) FROM orders") == "\(orders)")
        guard hasLog else { return }
        try await until("every record is finished") {
            try await self.users.psql(
                "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL",
                database: "state") == "0"
        }
    }

    /// The number of prepared transactions.
    static func preparedCount(_ cluster: PostgresCluster) async throws -> Int {
        Int(try await cluster.psql("SELECT count(*) FROM pg_prepared_xacts")) ?? -1
    }
}

/// Polls a server, for want of an event.
func until(_ what: String, _ isSo: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + patience
    repeat {
        if try await isSo() { return }
        try await Task.sleep(for: .milliseconds(50))
    } while ContinuousClock.now < deadline
    Issue.record("not within \(patience): \(what)")
}

/// The error of a run that must not commit.
func failure<Value>(
    _ run: () async throws(TransactionError) -> Committed<Value>
) async -> TransactionError? {
    do throws(TransactionError) {
        let committed = try await run()
        Issue.record("\(committed.id) was committed")
        return nil
    } catch {
        return error
    }
}

extension TransactionError {
    var aborted: Aborted.Cause? {
        if case .aborted(let aborted) = self { aborted.cause } else { nil }
    }

    var branchError: BranchError? {
        switch aborted {
        case .work(_, let error): error as? BranchError
        case .branch(_, let error): error
        case .deadline, .cancelled, .refused, .coordinator, nil: nil
        }
    }
}

/// An event that happens once.
actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    func open() {
        isOpen = true
        for waiter in waiting { waiter.resume() }
        waiting = []
    }

    /// Waits even if the task is cancelled.
    func pass() async {
        if !isOpen { await withCheckedContinuation { waiting.append($0) } }
    }
}
