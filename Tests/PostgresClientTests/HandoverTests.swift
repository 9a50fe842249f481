import EventLoop
import PostgresClient
import Testing

/// A task that does not prefer the loop leaves it at every await, and others have their turn between
/// what it saw and what it waits for.
@Suite(.patient) @LoopActor
struct HandoverTests {
    private func pool() async throws -> ConnectionPool {
        ConnectionPool(
            options: try await Cluster.shared.value.options(),
            configuration: PoolConfiguration(size: 1, connectTimeout: patience), loop: .shared)
    }

    /// Runs a body on the loop as soon as the task that calls this awaits something.
    private func meanwhile(_ body: @escaping @LoopActor @Sendable () -> Void) {
        Task(executorPreference: EventLoop.shared) { await body() }
    }

    @Test func takesConnectionGivenBackBeforeWait() async throws {
        let pool = try await pool()
        let first = try await pool.acquire(timeout: patience)
        meanwhile { pool.giveBack(first) }
        let second = try await pool.acquire(timeout: patience)
        #expect(second === first)
        pool.giveBack(second)
        await pool.close()
    }

    @Test func closesPoolThatEmptiesBeforeWait() async throws {
        let pool = try await pool()
        let lent = try await pool.acquire(timeout: patience)
        meanwhile { pool.giveBack(lent) }
        await pool.close()
        #expect(pool.connectedCount == 0)
    }

    @Test func failsCallWhenConnectionEndsBeforeWait() async throws {
        let pool = try await pool()
        let connection = try await pool.acquire(timeout: patience)
        meanwhile { connection.close() }
        let error = await failure { _ = try await connection.query("SELECT 1") }
        #expect(error != nil)
        await pool.close()
    }

    @Test func takesShareFreedBeforeWait() async throws {
        let pool = try await pool()
        let shared = SharedConnections(pool, usersMax: 1)
        let gate = Gate()
        let first = Task { @LoopActor in
            try await shared.withConnection(timeout: patience) { _ in await gate.pass() }
        }
        try await eventually("it is in") { gate.waitingCount == 1 }
        meanwhile { gate.open() }
        try await shared.withConnection(timeout: patience) { _ in }
        try await first.value
        await pool.close()
    }
}
