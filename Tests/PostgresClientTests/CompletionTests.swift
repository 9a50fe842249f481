import EventLoop
import PostgresClient
import Testing

/// What completions may do with the connection that calls them.
@Suite(.patient) @LoopActor
struct CompletionTests {
    typealias Outcome = Result<[[CommandReply]], PostgresError>

    @LoopActor
    final class Log {
        var entries: [String] = []

        func note(_ outcome: Outcome) {
            switch outcome {
            case .success(let replies):
                entries.append(replies.joined().map(\.summary).joined(separator: ", "))
            case .failure(.connectionLost): entries.append("lost")
            case .failure(let error): entries.append("\(error)")
            }
        }
    }

    @Test func answersBeforeReturnWhatCannotBeSent() async throws {
        let connection = try await connect()
        let log = Log()
        connection.execute([], then: log.note)
        connection.execute([[Command("SELECT $1", ["\0"])]], then: log.note)
        connection.close()
        connection.execute([[Command("SELECT 1")]], then: log.note)
        #expect(
            log.entries == [
                "", "ERROR 22021: invalid byte sequence for encoding \"UTF8\": 0x00",
                "closed; nothing was sent",
            ])
    }

    @Test func letsCompletionExecuteAgain() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let log = Log()
        let limits = ResultLimits(rows: 2, bytes: 1000)
        func run(_ number: Int) {
            connection.execute([[Command("SELECT \(number)")]], limits: limits) { outcome in
                log.note(outcome)
                #expect(connection.transactionStatus == .idle)
                #expect(connection.outstanding == 0)
                if number < 50 { run(number + 1) }
            }
        }
        run(1)
        try await eventually("all have run") { log.entries.count == 50 }
        #expect(log.entries == Array(repeating: "completed SELECT 1", count: 50))
    }

    /// The head of the queue gets its mode before the completion sends behind it.
    @Test func limitsCallsThatFollowACompletion() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let log = Log()
        let many = [[Command("SELECT generate_series(1, 1000)", cached: false)]]
        let few = ResultLimits(rows: 3, bytes: 1000)
        connection.execute([[Command("SELECT 1")]]) { outcome in
            log.note(outcome)
            connection.execute(many, limits: few) { outcome in
                // The last one may be cancelled.
                #expect((try? outcome.get())?[0][0].result?.rowCount ?? 3 == 3)
                log.entries.append("third")
            }
        }
        connection.execute(many, limits: few) { outcome in
            let result = (try? outcome.get())?[0][0].result
            #expect(result?.rowCount == 3 && result?.isTruncated == true)
            log.entries.append("second")
        }
        try await eventually("all are answered") { log.entries.count == 3 }
        #expect(log.entries == ["completed SELECT 1", "second", "third"])
    }

    @Test func letsCompletionCloseItsConnection() async throws {
        let connection = try await connect()
        let other = try await connect()
        let log = Log()
        connection.execute([[Command("SELECT 1")]]) { outcome in
            log.note(outcome)
            connection.close()
            other.close()
            connection.execute([[Command("SELECT 3")]], then: log.note)
        }
        connection.execute([[Command("SELECT 2")]], then: log.note)
        try await eventually("both are answered") { log.entries.count == 3 }
        #expect(log.entries == ["completed SELECT 1", "lost", "closed; nothing was sent"])
        #expect(!connection.isOpen && !other.isOpen)
    }

    @Test func callsCompletionAfterConnectionHasEnded() async throws {
        let connection = try await connect()
        let log = Log()
        connection.onClose = { log.entries.append("\($0)") }
        connection.execute(
            [[Command("SELECT pg_sleep(1000)")]], timeout: .milliseconds(20)
        ) { outcome in
            #expect(!connection.isOpen)
            log.note(outcome)
            connection.execute([[Command("SELECT 1")]], then: log.note)
        }
        connection.execute([[Command("SELECT 2")]], then: log.note)
        try await eventually("all are answered") { log.entries.count == 4 }
        #expect(
            log.entries == [
                "\(PostgresError.timedOut)", "\(PostgresError.timedOut)",
                "closed; nothing was sent", "lost",
            ])
    }

    @Test func letsCompletionGiveBackAConnectionThatIsLost() async throws {
        let cluster = try await Cluster.shared.value
        let pool = ConnectionPool(
            options: try cluster.options(),
            configuration: PoolConfiguration(size: 1, connectTimeout: patience), loop: .shared)
        let connection = try await pool.acquire(timeout: patience)
        let log = Log()
        connection.execute(
            [[Command("SELECT pg_terminate_backend(pg_backend_pid())")]]
        ) { outcome in
            log.note(outcome)
            pool.giveBack(connection)
            #expect(pool.connectedCount == 0 && pool.idleCount == 0)
            pool.acquire(timeout: patience) { outcome in
                log.entries.append((try? outcome.get()) === connection ? "the same" : "another")
                if case .success(let connection) = outcome { pool.giveBack(connection) }
            }
        }
        try await eventually("there is another connection") { log.entries.count == 2 }
        #expect(log.entries == ["lost", "another"])
        await pool.close()
    }

    @Test func answersCallsOfAConnectionThatNothingElseHolds() async throws {
        let log = Log()
        weak var held: PostgresConnection?
        do {
            let connection = try await connect()
            held = connection
            connection.execute([[Command("SELECT 1")], [Command("SELECT 2")]], then: log.note)
        }
        try await eventually("it is answered") { log.entries.count == 1 }
        #expect(log.entries == ["completed SELECT 1, completed SELECT 1"])
        try await eventually("it is freed") { held == nil }
    }

    /// One timer serves all calls of a connection: a later call may have less time than an earlier one.
    @Test func timesOutTheCallWhoseTimeIsUpFirst() async throws {
        let connection = try await connect()
        let log = Log()
        let wait = [[Command("SELECT pg_sleep(1000)")]]
        connection.execute(wait, timeout: patience) { log.entries.append("long \($0.isLost)") }
        connection.execute(wait, timeout: .milliseconds(20), then: log.note)
        connection.execute(wait, timeout: patience * 2) { log.entries.append("last \($0.isLost)") }
        try await eventually("all are answered") { log.entries.count == 3 }
        #expect(log.entries == ["\(PostgresError.timedOut)", "long true", "last true"])
    }

    /// The timer is set for a call that is answered in time, and fires while another one waits.
    @Test func timesOutACallAfterAnEarlierOneWasAnswered() async throws {
        // A busy machine may not answer within the first of these times.
        for time in [50, 500, 5000, 50_000].map(Duration.milliseconds) {
            let connection = try await connect()
            let log = Log()
            connection.execute([[Command("SELECT 1")]], timeout: time) { outcome in
                log.note(outcome)
                connection.execute(
                    [[Command("SELECT pg_sleep(1000)")]], timeout: time * 2, then: log.note)
            }
            try await eventually("both are answered") { log.entries.count == 2 }
            #expect(!connection.isOpen)
            guard log.entries[0] == "completed SELECT 1" else { continue }
            #expect(log.entries[1] == "\(PostgresError.timedOut)")
            return
        }
        Issue.record("nothing was answered in time")
    }

    @Test func sharesAtOnceAndServesManyWaitersThatReleaseAtOnce() async throws {
        let cluster = try await Cluster.shared.value
        let pool = ConnectionPool(
            options: try cluster.options(),
            configuration: PoolConfiguration(size: 1, connectTimeout: patience), loop: .shared)
        let shared = SharedConnections(pool, usersMax: 1)
        try await shared.withConnection(timeout: patience) { _ in }
        var first: SharedConnections.Share?
        shared.acquire(timeout: patience) { first = try? $0.get() }
        let share = try #require(first)
        // Served by one another, they would need more than the stack of the loop.
        let waiterCount = 50_000
        var served = 0
        for _ in 0..<waiterCount {
            shared.acquire(timeout: patience) { outcome in
                served += 1
                if case .success(let share) = outcome { shared.release(share) }
            }
        }
        #expect(served == 0 && shared.waitingCount == waiterCount)
        shared.release(share)
        #expect(served == waiterCount && shared.waitingCount == 0)
        await pool.close()
    }
}

extension Result where Success == [[CommandReply]], Failure == PostgresError {
    fileprivate var isLost: Bool {
        if case .failure(.connectionLost) = self { true } else { false }
    }
}
