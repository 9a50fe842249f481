import EventLoop
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct SharedConnectionsTests {
    private func pool(size: Int, _ overrides: [String: String] = [:]) async throws -> ConnectionPool
    {
        ConnectionPool(
            options: try await Cluster.shared.value.options(overrides),
            configuration: PoolConfiguration(size: size, connectTimeout: patience), loop: .shared)
    }

    @Test func sharesOneConnectionAmongMany() async throws {
        let pool = try await pool(size: 1)
        let shared = SharedConnections(pool)
        let tasks = (0..<12).map { index in
            Task { @LoopActor in
                try await shared.withConnection(timeout: patience) { connection in
                    try await connection.query("SELECT $1::text", ["\(index)"])
                        .text(row: 0, column: 0)
                }
            }
        }
        var answers: Set<String?> = []
        for task in tasks { answers.insert(try await task.value) }
        #expect(answers == Set((0..<12).map { "\($0)" }))
        #expect(pool.connectedCount == 1)
        #expect(pool.idleCount == 1)
        await pool.close()
    }

    @Test func boundsUsersOfOneConnection() async throws {
        let pool = try await pool(size: 1)
        let shared = SharedConnections(pool, usersMax: 2)
        let gate = Gate()
        let tasks = (0..<3).map { _ in
            Task { @LoopActor in
                try await shared.withConnection(timeout: patience) { _ in await gate.pass() }
            }
        }
        try await eventually("two are in, and one waits") {
            gate.waitingCount == 2 && shared.waitingCount == 1
        }
        gate.open()
        for task in tasks { try await task.value }
        #expect(shared.waitingCount == 0)
        await pool.close()
    }

    @Test func neverStarvesExclusiveWaiter() async throws {
        let pool = try await pool(size: 1)
        let shared = SharedConnections(pool)
        let gate = Gate()
        let first = Task { @LoopActor in
            try await shared.withConnection(timeout: patience) { _ in await gate.pass() }
        }
        try await eventually("it is shared") { gate.waitingCount == 1 }
        let alone = Task { @LoopActor in try await pool.acquire(timeout: patience) }
        try await eventually("somebody queues") { pool.waitingCount == 1 }
        // Nobody joins from now on, so the connection drains.
        let late = Task { @LoopActor in
            try await shared.withConnection(timeout: patience) { _ in }
        }
        try await eventually("it waits") { shared.waitingCount == 1 }
        gate.open()
        try await first.value
        let connection = try await alone.value
        #expect(shared.waitingCount == 1)
        pool.giveBack(connection)
        try await late.value
        await pool.close()
    }

    @Test func failsWaitersWhenServerIsGone() async throws {
        let pool = try await pool(size: 1, ["port": "1"])
        let shared = SharedConnections(pool)
        let error = await failure {
            try await shared.withConnection(timeout: patience) { _ in }
        }
        guard case .unreachable = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        await pool.close()
    }
}
