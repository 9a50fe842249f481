import EventLoop
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct PoolTests {
    private struct Unprepared: Error {}

    /// Attempts have all the time of a test, unless it is about theirs.
    private func pool(
        _ configuration: PoolConfiguration, _ overrides: [String: String] = [:],
        connectTimeout: Duration = patience,
        prepare: @escaping ConnectionPool.Preparation = { _ in }
    ) async throws -> ConnectionPool {
        var configuration = configuration
        configuration.connectTimeout = connectTimeout
        return ConnectionPool(
            options: try await Cluster.shared.value.options(overrides),
            configuration: configuration, loop: .shared, prepare: prepare)
    }

    @Test func growsOnDemandUpToItsSize() async throws {
        let pool = try await pool(PoolConfiguration(size: 3))
        #expect(pool.takeIdle() == nil)
        pool.demand(2)
        try await eventually("two are idle") { pool.idleCount == 2 }
        #expect(pool.connectedCount == 2)
        pool.demand(10)
        try await eventually("the pool is full") { pool.connectedCount == 3 }
        await pause(.milliseconds(20))
        #expect(pool.connectedCount == 3)
        await pool.close()
        #expect(pool.connectedCount == 0)
    }

    @Test func reportsConnectionsAndLeasesToObserver() async throws {
        let observer = RecordingObserver()
        let pool = ConnectionPool(
            options: try await Cluster.shared.value.options([:]),
            configuration: PoolConfiguration(size: 1, connectTimeout: patience), observer: observer,
            loop: .shared)
        let first = try await pool.acquire(timeout: patience)
        pool.giveBack(first)
        let again = try #require(pool.takeIdle())
        pool.discard(again)
        await pool.close()
        #expect(
            observer.events.withLock { $0 } == [
                "queued", "opened", "given", "returned", "given", "returned", "closed",
            ])
        let failing = ConnectionPool(
            options: try await Cluster.shared.value.options([:]),
            configuration: PoolConfiguration(size: 1, connectTimeout: patience), observer: observer,
            loop: .shared
        ) { _ in throw Unprepared() }
        failing.start()
        await #expect(throws: PostgresError.self) {
            try await failing.acquire(timeout: patience, isHasty: true)
        }
        await failing.close()
        #expect(observer.events.withLock { $0.suffix(2) } == ["queued", "failed"])
    }

    private struct RecordingObserver: ConnectionPoolObserver {
        let events = Lock<[String]>([])

        func connectionOpened() { note("opened") }
        func connectionFailed(_ error: any Error) { note("failed") }
        func connectionClosed() { note("closed") }
        func leaseQueued() { note("queued") }
        func leaseGiven(after wait: Duration) { note("given") }
        func leaseReturned() { note("returned") }

        private func note(_ event: String) { events.withLock { $0.append(event) } }
    }

    @Test func keepsIdleConnectionsReady() async throws {
        let pool = try await pool(PoolConfiguration(size: 4, minimumIdle: 2))
        pool.start()
        try await eventually("two are idle") { pool.idleCount == 2 }
        let taken = try #require(pool.takeIdle())
        try await eventually("two are idle again") { pool.idleCount == 2 }
        #expect(pool.connectedCount == 3)
        pool.giveBack(taken)
        #expect(pool.idleCount == 3)
        await pool.close()
    }

    @Test func servesWaitersInOrder() async throws {
        let pool = try await pool(PoolConfiguration(size: 1))
        let first = try await pool.acquire(timeout: patience)
        let log = OrderLog()
        var tasks: [Task<Void, any Error>] = []
        for index in 0..<5 {
            tasks.append(
                Task { @LoopActor in
                    let connection = try await pool.acquire(timeout: patience)
                    log.order.append(index)
                    pool.giveBack(connection)
                })
            try await eventually("it is queued") { pool.waitingCount == index + 1 }
        }
        #expect(pool.takeIdle() == nil)
        pool.giveBack(first)
        for task in tasks { try await task.value }
        #expect(log.order == [0, 1, 2, 3, 4])
        #expect(pool.connectedCount == 1)
        await pool.close()
    }

    @Test func timesOutWaiterWithPoolExhausted() async throws {
        let pool = try await pool(PoolConfiguration(size: 1))
        let taken = try await pool.acquire(timeout: patience)
        let error = await failure { _ = try await pool.acquire(timeout: .milliseconds(30)) }
        #expect(error == .poolExhausted)
        #expect(pool.waitingCount == 0)
        pool.giveBack(taken)
        #expect(pool.idleCount == 1)
        await pool.close()
        #expect(await failure { _ = try await pool.acquire(timeout: patience) } == .closed)
    }

    @Test func replacesDeadConnections() async throws {
        let pool = try await pool(PoolConfiguration(size: 2, minimumIdle: 1))
        pool.start()
        try await eventually("one is idle") { pool.idleCount == 1 }
        let admin = try await connect()
        defer { admin.close() }
        let victim = try #require(pool.takeIdle())
        let processID = victim.processID
        pool.giveBack(victim)
        _ = try await admin.query("SELECT pg_terminate_backend($1::int)", ["\(processID)"])
        try await eventually("the dead one is replaced") {
            !victim.isOpen && pool.idleCount >= 1
        }
        let replacement = try #require(pool.takeIdle())
        #expect(replacement.processID != processID)
        pool.giveBack(replacement)
        await pool.close()
    }

    @Test func neverLendsUsedUpConnection() async throws {
        let pool = try await pool(PoolConfiguration(size: 2))
        let inTransaction = try await pool.acquire(timeout: patience)
        _ = try await inTransaction.query("BEGIN")
        pool.giveBack(inTransaction)
        #expect(!inTransaction.isOpen && pool.idleCount == 0)
        let discarded = try await pool.acquire(timeout: patience)
        pool.discard(discarded)
        #expect(!discarded.isOpen && pool.connectedCount == 0)
        pool.giveBack(discarded)
        #expect(pool.connectedCount == 0)
        await pool.close()
    }

    @Test func closesLentConnectionsWhenAsked() async throws {
        let pool = try await pool(PoolConfiguration(size: 2))
        let lent = try await pool.acquire(timeout: patience)
        let sleep = Task { @LoopActor in
            await failure { _ = try await lent.query("SELECT pg_sleep(3600)") }
        }
        try await eventually("it is at work") { lent.transactionStatus == .active }
        await pool.close(cutsLent: true)
        guard case .connectionLost = await sleep.value else {
            Issue.record("the call was not ended")
            return
        }
        pool.giveBack(lent)
        #expect(pool.connectedCount == 0)
    }

    @Test func givesConnectionBackAfterBodyThrows() async throws {
        let pool = try await pool(PoolConfiguration(size: 1))
        let one = try await pool.withConnection(timeout: patience) {
            try await $0.query("SELECT 1").text(row: 0, column: 0)
        }
        #expect(one == "1")
        let error = await failure {
            try await pool.withConnection(timeout: patience) {
                _ = try await $0.query("SELECT 1/0")
            }
        }
        #expect(error?.serverMessage?.state.rawValue == "22012")
        #expect(pool.idleCount == 1)
        await pool.close()
    }

    @Test func connectsAtOnceForHastyWaiter() async throws {
        let switchboard = Switchboard()
        let pool = try await pool(
            PoolConfiguration(size: 1, backoffMin: .seconds(600), backoffMax: .seconds(600))
        ) { _ in if switchboard.fails { throw Unprepared() } }
        pool.demand(1)
        try await eventually("an attempt has failed") { pool.isFailing }
        let failures = pool.failuresInARow
        let error = await failure {
            _ = try await pool.acquire(timeout: patience, isHasty: true)
        }
        guard case .unreachable = error else { return #expect(error == nil) }
        #expect(pool.failuresInARow == failures)
        #expect(pool.waitingCount == 0)
        switchboard.fails = false
        pool.giveBack(try await pool.acquire(timeout: patience, isHasty: true))
        #expect(pool.idleCount == 1)
        await pool.close()
    }

    @Test func connectsAtOnceWhenAskedTo() async throws {
        let switchboard = Switchboard()
        let pool = try await pool(
            PoolConfiguration(size: 1, backoffMin: .seconds(600), backoffMax: .seconds(600))
        ) { _ in if switchboard.fails { throw Unprepared() } }
        pool.demand(1)
        try await eventually("an attempt has failed") { pool.isFailing }
        switchboard.fails = false
        pool.attemptNow()
        try await eventually("it is connected") { pool.idleCount == 1 }
        pool.attemptNow()
        #expect(pool.connectedCount == 1)
        await pool.close()
    }

    @Test func reportsFailureAndRecovers() async throws {
        let switchboard = Switchboard()
        let pool = try await pool(
            PoolConfiguration(
                size: 3, backoffMin: .milliseconds(5), backoffMax: .milliseconds(20))
        ) { _ in if switchboard.fails { throw Unprepared() } }
        var failures = 0
        var idleCalls = 0
        pool.onFailure = { failures += 1 }
        pool.onIdle = { idleCalls += 1 }
        pool.demand(1)
        try await eventually("two attempts have failed") { failures >= 2 }
        let error = await failure { _ = try await pool.acquire(timeout: .milliseconds(30)) }
        guard case .unreachable(let reason) = error else { return #expect(error == nil) }
        #expect(reason.contains("Unprepared"))
        #expect(pool.isFailing && pool.lastFailure?.error is Unprepared)
        #expect(pool.connectedCount == 0)
        switchboard.fails = false
        pool.demand(3)
        try await eventually("all three are there") { pool.idleCount == 3 }
        #expect(!pool.isFailing && pool.lastFailure == nil)
        #expect(idleCalls == 3)
        await pool.close()
    }

    @Test func passesRefusalToWaiter() async throws {
        let pool = try await pool(PoolConfiguration(size: 1), ["dbname": "nowhere"])
        pool.demand(1)
        try await eventually("an attempt has failed") { pool.isFailing }
        let error = await failure { _ = try await pool.acquire(timeout: .milliseconds(30)) }
        #expect(error?.serverMessage?.state == .invalidCatalogName)
        await pool.close()
    }

    @Test func endsPreparationThatHangs() async throws {
        let pool = try await pool(
            PoolConfiguration(size: 1), connectTimeout: .milliseconds(200)
        ) { _ = try await $0.query("SELECT pg_sleep(3600)") }
        pool.demand(1)
        try await eventually("the attempt has failed") { pool.lastFailure != nil }
        await pool.close()
    }

    @Test func closesSpareAndOldConnections() async throws {
        let pool = try await pool(
            PoolConfiguration(size: 3, minimumIdle: 1, idleTimeout: .milliseconds(40)))
        var lent: [PostgresConnection] = []
        for _ in 0..<3 { lent.append(try await pool.acquire(timeout: patience)) }
        for connection in lent { pool.giveBack(connection) }
        #expect(pool.idleCount == 3)
        try await eventually("the spare ones are closed") { pool.idleCount == 1 }
        await pool.close()
        let aging = try await self.pool(
            PoolConfiguration(size: 1, maximumAge: .milliseconds(40)))
        let old = try await aging.acquire(timeout: patience)
        await pause(.milliseconds(50))
        aging.giveBack(old)
        #expect(!old.isOpen)
        await aging.close()
    }

    @Test func waitsForLentConnectionsWhenClosed() async throws {
        let pool = try await pool(PoolConfiguration(size: 1))
        let lent = try await pool.acquire(timeout: patience)
        async let queued = failure { _ = try await pool.acquire(timeout: patience) }
        try await eventually("it is queued") { pool.waitingCount == 1 }
        async let closed: Void = pool.close()
        #expect(await queued == .closed)
        #expect(lent.isOpen && pool.connectedCount == 1)
        pool.giveBack(lent)
        await closed
        #expect(!lent.isOpen && pool.connectedCount == 0)
    }

    @Test func endsAttemptsWhenClosed() async throws {
        let listener = try LoopbackListener()
        defer { listener.close() }
        let silent = ConnectionPool(
            options: try ConnectionOptions(
                conninfo: "host=127.0.0.1 port=\(listener.port) user=x"),
            configuration: PoolConfiguration(size: 2, connectTimeout: patience), loop: .shared)
        silent.demand(2)
        // One that connects, and is prepared for as long as its server likes.
        let preparing = ConnectionPool(
            options: try await Cluster.shared.value.options(),
            configuration: PoolConfiguration(size: 1, connectTimeout: patience), loop: .shared
        ) { connection in
            _ = try await connection.query("SELECT pg_sleep(3600) AS prepared")
        }
        preparing.demand(1)
        let observer = try await connect()
        defer { observer.close() }
        try await eventually("it is being prepared") {
            try await observer.query(
                "SELECT FROM pg_stat_activity WHERE query LIKE '%) AS prepared'"
            ).rowCount == 1
        }
        for pool in [silent, preparing] {
            // What is given up says nothing of the server.
            pool.onFailure = { Issue.record("a pool that closes has failed") }
            #expect(pool.isConnecting)
            await pool.close()
            #expect(!pool.isConnecting && pool.connectedCount == 0)
        }
    }
}

@LoopActor
private final class Switchboard {
    var fails = true
}

@LoopActor
private final class OrderLog {
    var order: [Int] = []
}
