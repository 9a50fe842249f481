import EventLoop
import Glibc
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct ConnectionEndTests {
    private func terminate(_ processID: Int32) async throws {
        let admin = try await connect()
        defer { admin.close() }
        let result = try await admin.query("SELECT pg_terminate_backend($1::int)", ["\(processID)"])
        #expect(result.text(row: 0, column: 0) == "t")
    }

    /// Waits until a session runs a command.
    private func awaitActivity(_ processID: Int32, _ admin: PostgresConnection) async throws {
        try await eventually("the session has become active") {
            let result = try await admin.query(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int AND wait_event = 'PgSleep'",
                ["\(processID)"])
            return result.rowCount == 1
        }
    }

    @Test func failsAllCallsWhenSessionIsKilled() async throws {
        let admin = try await connect()
        defer { admin.close() }
        let connection = try await connect()
        var reasons: [PostgresError] = []
        connection.onClose = { reasons.append($0) }
        // Immediate tasks run up to their first wait: they send in this order.
        let first = Task.immediate { @LoopActor in
            await failure { _ = try await connection.query("SELECT pg_sleep(3600)") }
        }
        let second = Task.immediate { @LoopActor in
            await failure { _ = try await connection.query("SELECT 2") }
        }
        try await awaitActivity(connection.processID, admin)
        _ = try await admin.query(
            "SELECT pg_terminate_backend($1::int)", ["\(connection.processID)"])
        for error in [await first.value, await second.value] {
            guard case .connectionLost(let reason) = error else { return #expect(error == nil) }
            #expect(reason.contains("57P01"))
            #expect(error?.isOutcomeUnknown == true)
        }
        #expect(reasons.count == 1)
        #expect(!connection.isOpen && connection.outstanding == 0)
        #expect(await failure { _ = try await connection.query("SELECT 1") } == .closed)
    }

    @Test func noticesEndOfIdleSession() async throws {
        let connection = try await connect()
        let reason = try await withCheckedThrowingContinuation {
            (done: CheckedContinuation<PostgresError, any Error>) in
            connection.onClose = { done.resume(returning: $0) }
            Task { @LoopActor in try await terminate(connection.processID) }
        }
        guard case .connectionLost(let text) = reason else { return #expect(Bool(false)) }
        #expect(text.contains("57P01"))
        #expect(!connection.isOpen)
        #expect(connection.transactionStatus == .unknown)
    }

    @Test func noticesImmediateShutdownOfServer() async throws {
        let cluster = try await Cluster.start()
        let connection = try await PostgresConnection.connect(
            try cluster.options(), timeout: patience, loop: .shared)
        async let lost = failure { _ = try await connection.query("SELECT pg_sleep(3600)") }
        _ = try await eventually("the command was sent") { connection.outstanding == 1 }
        await cluster.stop()
        guard case .connectionLost = await lost else { return #expect(Bool(false)) }
        let error = await failure {
            _ = try await PostgresConnection.connect(
                try cluster.options(), timeout: patience, loop: .shared)
        }
        guard case .unreachable = error else { return #expect(error == nil) }
    }

    @Test func closesConnectionWhenCallTimesOut() async throws {
        let connection = try await connect()
        let slow = Task.immediate { @LoopActor in
            await failure {
                _ = try await connection.query("SELECT pg_sleep(3600)", timeout: .milliseconds(100))
            }
        }
        let behind = Task.immediate { @LoopActor in
            await failure { _ = try await connection.query("SELECT 1") }
        }
        #expect(await slow.value == .timedOut)
        guard case .connectionLost = await behind.value else { return #expect(Bool(false)) }
        #expect(!connection.isOpen)
    }

    @Test func keepsConnectionOpenAfterCallInTime() async throws {
        let connection = try await connect()
        defer { connection.close() }
        _ = try await connection.query("SELECT 1", timeout: patience)
        await pause(.milliseconds(20))
        #expect(connection.isOpen)
    }

    @Test func failsCallsUnderWayWhenClosed() async throws {
        let connection = try await connect()
        var reasons: [PostgresError] = []
        connection.onClose = { reasons.append($0) }
        async let lost = failure { _ = try await connection.query("SELECT pg_sleep(3600)") }
        try await eventually("the command was sent") { connection.outstanding == 1 }
        connection.close()
        connection.close()
        guard case .connectionLost = await lost else { return #expect(Bool(false)) }
        #expect(reasons == [.closed])
    }

    @Test func failsCancelledCommandAndKeepsSession() async throws {
        let admin = try await connect()
        defer { admin.close() }
        let connection = try await connect()
        defer { connection.close() }
        async let cancelled = failure { _ = try await connection.query("SELECT pg_sleep(3600)") }
        try await awaitActivity(connection.processID, admin)
        // A request is dropped while the server has several of other tests to answer.
        while connection.transactionStatus == .active {
            await connection.requestCancel()
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(await cancelled?.serverMessage?.state == .queryCanceled)
        _ = try await connection.query("SELECT 1")
    }

    @Test func neverCancelsCommandSentAfterCancel() async throws {
        let connection = try await connect()
        defer { connection.close() }
        await connection.requestCancel()
        for round in 0..<30 {
            let sleep = Command("SELECT pg_sleep($1::float8)", ["\(Double(round) / 10_000)"])
            // Immediate tasks run up to their first wait: what they send is sent in this order.
            let first = Task.immediate { @LoopActor in try await connection.execute([[sleep]]) }
            let request = Task.immediate { @LoopActor in await connection.requestCancel() }
            let second = try await connection.execute([[Command("SELECT pg_sleep(0.002)")]])
            #expect(second[0][0].summary == "completed SELECT 1")
            #expect(
                ["failed 57014", "completed SELECT 1"].contains(try await first.value[0][0].summary)
            )
            await request.value
        }
    }

    /// What a cancel request has held back is sent when the request ends, and the server may be gone by
    /// then without the loop's having seen it.
    @Test func answersAllHeldCallsThoughFirstCannotBeSent() async throws {
        let admin = try await connect()
        defer { admin.close() }
        let connection = try await connect()
        let sleeping = Task.immediate { @LoopActor in
            await failure { _ = try await connection.query("SELECT pg_sleep(3600)") }
        }
        try await awaitActivity(connection.processID, admin)
        let request = Task.immediate { @LoopActor in await connection.requestCancel() }
        let held = [String(repeating: "x", count: 16 << 20), "", ""].map { value in
            Task.immediate { @LoopActor in
                await failure { _ = try await connection.query("SELECT length($1)", [value]) }
            }
        }
        // The loop is kept here until the server process and, most probably, the request have ended.
        #expect(kill(connection.processID, SIGTERM) == 0)
        while kill(connection.processID, 0) == 0 { sched_yield() }
        for _ in 0..<10_000 { sched_yield() }
        await request.value
        for call in [sleeping] + held { #expect(await call.value != nil) }
        #expect(!connection.isOpen && connection.outstanding == 0)
    }

    @Test func closesConnectionOnCopy() async throws {
        let connection = try await connect()
        let error = await failure { _ = try await connection.query("COPY (SELECT 1) TO STDOUT") }
        guard case .connectionLost(let reason) = error else { return #expect(error == nil) }
        #expect(reason.contains("COPY"))
        #expect(!connection.isOpen)
    }

    @Test func closesConnectionWhenReleased() async throws {
        var connection: PostgresConnection? = try await connect()
        let processID = try #require(connection?.processID)
        connection = nil
        let admin = try await connect()
        defer { admin.close() }
        try await eventually("the session is gone") {
            try await admin.query(
                "SELECT 1 FROM pg_stat_activity WHERE pid = $1::int", ["\(processID)"]
            ).rowCount == 0
        }
    }
}
