import EventLoop
import Glibc
import Testing

@testable import PostgresClient

@Suite(.patient) @LoopActor
struct PipelineTests {
    @Test func skipsRestOfSegmentAfterFailure() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let replies = try await connection.execute([
            [Command("SELECT 1"), Command("SELECT 1/0"), Command("SELECT 2")],
            [Command("SELECT 3")],
            [Command("SELEC 4"), Command("SELECT 5")],
            [],
            [Command("SELECT 1/0", cached: false), Command("SELECT 6", cached: false)],
        ])
        #expect(
            replies.map { $0.map(\.summary) } == [
                ["completed SELECT 1", "failed 22012", "skipped"],
                ["completed SELECT 1"],
                ["failed 42601", "skipped"],
                [],
                ["failed 22012", "skipped"],
            ])
        #expect(connection.transactionStatus == .idle)
        #expect(connection.outstanding == 0)
        #expect(replies[2][0].error?.position == 1)
    }

    @Test func answersEmptyCallAtOnce() async throws {
        let connection = try await connect()
        defer { connection.close() }
        #expect(try await connection.execute([]).isEmpty)
        #expect(try await connection.execute([[]]).map(\.count) == [0])
        let reply = try await connection.execute([[Command("")]])
        #expect(reply[0][0].summary == "completed ")
    }

    @Test func answersEachOfManyConcurrentCalls() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let calls = (0..<200).map { index in
            Task { @LoopActor in
                let fails = index % 7 == 0
                let sql = fails ? "SELECT 1/($1::int - $1::int)" : "SELECT $1::int"
                let replies = try await connection.execute([[Command(sql, ["\(index)"])]])
                return fails
                    ? replies[0][0].error?.state.rawValue == "22012"
                    : replies[0][0].result?.text(row: 0, column: 0) == "\(index)"
            }
        }
        for call in calls { #expect(try await call.value) }
        #expect(connection.outstanding == 0)
    }

    @Test func runsSegmentAsOneTransaction() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("segment")
        _ = try await connection.query("CREATE TABLE \(table) (id int PRIMARY KEY)")
        let insert = Command("INSERT INTO \(table) VALUES ($1::int)", ["1"])
        let replies = try await connection.execute([[insert, insert]])
        #expect(replies[0].map(\.summary) == ["completed INSERT 0 1", "failed 23505"])
        #expect(replies[0][1].error?.constraint == "\(table)_pkey")
        #expect(replies[0][1].error?.table == table)
        let count = try await connection.query("SELECT count(*) FROM \(table)")
        #expect(count.text(row: 0, column: 0) == "0")
    }

    /// Outside a transaction the server commits at the end of the segment, after the command tag:
    /// a constraint that is checked only then turns a command that "completed" into a failure.
    @Test func reportsFailureOfCommitAtEndOfSegment() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("deferred")
        _ = try await connection.query(
            "CREATE TABLE \(table) (id int, CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        let insert = Command("INSERT INTO \(table) VALUES (1), (1)")
        let replies = try await connection.execute([[insert], [Command("SELECT 1")]])
        #expect(
            replies.map { $0.map(\.summary) } == [["failed 23505"], ["completed SELECT 1"]])
        let count = try await connection.query("SELECT count(*) FROM \(table)")
        #expect(count.text(row: 0, column: 0) == "0")
    }

    @Test func returnsTagRollbackForPrepareInFailedTransaction() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let gid = uniqueName("gid")
        let prepare = Command("PREPARE TRANSACTION '\(gid)'", cached: false)
        let replies = try await connection.execute([
            [Command("BEGIN"), Command("SELECT 1/0")], [prepare],
        ])
        #expect(replies[0].map(\.summary) == ["completed BEGIN", "failed 22012"])
        #expect(replies[1].map(\.summary) == ["completed ROLLBACK"])
        #expect(connection.transactionStatus == .idle)
    }

    @Test func preparesInOneRoundTripAndFinishesLater() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let (gid, table) = (uniqueName("gid"), uniqueName("prepared"))
        _ = try await connection.query("CREATE TABLE \(table) (id int)")
        let replies = try await connection.execute([
            [
                Command("BEGIN"), Command("INSERT INTO \(table) VALUES (1)"),
                Command("PREPARE TRANSACTION '\(gid)'", cached: false),
            ]
        ])
        #expect(replies[0].last?.result?.tag == "PREPARE TRANSACTION")
        let commit = Command("COMMIT PREPARED '\(gid)'", cached: false)
        let ends = try await connection.execute([[commit], [commit]])
        #expect(ends[0][0].summary == "completed COMMIT PREPARED")
        #expect(ends[1][0].error?.state == .undefinedObject)
    }

    @Test func tracksTransactionStatus() async throws {
        let connection = try await connect()
        defer { connection.close() }
        _ = try await connection.query("BEGIN")
        #expect(connection.transactionStatus == .inTransaction && connection.isInTransaction)
        _ = try? await connection.query("SELECT 1/0")
        #expect(connection.transactionStatus == .inFailedTransaction && connection.isInTransaction)
        _ = try await connection.query("ROLLBACK")
        #expect(connection.transactionStatus == .idle && !connection.isInTransaction)
    }

    @Test func assignsNoticesToTheirCommand() async throws {
        let connection = try await connect()
        defer { connection.close() }
        func raise(_ level: String, _ text: String) -> Command {
            Command("DO $$ BEGIN RAISE \(level) '\(text)'; END $$")
        }
        let replies = try await connection.execute([
            [Command("SELECT 1"), raise("WARNING", "one"), Command("SELECT 2")],
            [raise("NOTICE", "two"), raise("NOTICE", "three")],
        ])
        let notices = replies.map { $0.map { $0.result?.notices.map(\.message) ?? ["?"] } }
        #expect(notices == [[[], ["one"], []], [["two"], ["three"]]])
        let warning = try #require(replies[0][1].result?.notices.first)
        #expect(warning.state == .warning && warning.severity == "WARNING")
    }

    /// The same as with synchronous replication, whose warning comes at the commit too.
    @Test func assignsNoticesOfCommitToLastCommand() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let name = uniqueName("late")
        for sql in [
            "CREATE TABLE \(name) (id int)",
            """
            CREATE FUNCTION \(name)() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE WARNING 'at commit'; RETURN NULL; END $$
            """,
            """
            CREATE CONSTRAINT TRIGGER \(name) AFTER INSERT ON \(name)
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION \(name)()
            """,
        ] { _ = try await connection.query(sql) }
        let replies = try await connection.execute([
            [Command("SELECT 1"), Command("INSERT INTO \(name) VALUES (1)")],
            [Command("SELECT 2")],
        ])
        #expect(replies[0][0].result?.notices.isEmpty == true)
        #expect(replies[0][1].result?.notices.map(\.message) == ["at commit"])
        #expect(replies[1][0].result?.notices.isEmpty == true)
    }

    /// Where libpq cannot write it reads instead, and epoll does not tell of what it has read.
    @Test func takesReplyThatIsReadDuringWrite() async throws {
        let connection = try await connect([
            "options": "-c lock_timeout=\(patience.components.seconds)s"
        ])
        let holder = try await connect()
        defer {
            connection.close()
            holder.close()
        }
        let value = String(repeating: "x", count: 8 << 20)
        for _ in 0..<2 {
            let lock = "\(UInt32.random(in: 0 ... .max))"
            _ = try await holder.query("SELECT pg_advisory_lock($1)", [lock])
            let quick = Task.immediate { @LoopActor in
                try await connection.execute([[Command("SELECT 1")]])
            }
            let large = Task.immediate { @LoopActor in
                try await connection.execute([
                    [Command("SELECT length($1), pg_advisory_lock($2)", [value, lock])]
                ])
            }
            // The large one waits for the lock until the quick one is answered.
            #expect(try await quick.value[0][0].summary == "completed SELECT 1")
            _ = try await holder.query("SELECT pg_advisory_unlock($1)", [lock])
            #expect(try await large.value[0][0].summary == "completed SELECT 1")
            _ = try await connection.query("SELECT pg_advisory_unlock($1)", [lock])
        }
    }

    /// libpq reads when the socket takes no more, and neither a reply nor room for the rest may follow for
    /// as long as the server is busy.
    @Test func takesReplyThatIsReadInsteadOfAWriteToABusyServer() async throws {
        // The server reads nothing while it waits for the lock, and a busy machine may make that long.
        let connection = try await connect([
            "options": "-c lock_timeout=\(patience.components.seconds)s",
            "tcp_user_timeout": "\(patience.components.seconds * 1000)",
        ])
        let holder = try await connect()
        defer {
            connection.close()
            holder.close()
        }
        let lock = "\(UInt32.random(in: 0 ... .max))"
        _ = try await holder.query("SELECT pg_advisory_lock($1)", [lock])
        var answers: [String] = []
        func send(_ name: String, _ command: Command) {
            connection.execute([[command]]) { outcome in
                let reply = try? outcome.get()[0][0].summary
                answers.append("\(name) \(reply ?? "lost")")
            }
        }
        send("quick", Command("SELECT 1"))
        send("waiting", Command("SELECT pg_advisory_lock($1)", [lock]))
        // The loop is kept here until the first reply is in the socket.
        var readable = pollfd(fd: connection.descriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&readable, 1, 60_000) == 1)
        send("large", Command("SELECT length($1)", [String(repeating: "x", count: 32 << 20)]))
        try await eventually("the quick one is answered") { !answers.isEmpty }
        #expect(answers == ["quick completed SELECT 1"])
        _ = try await holder.query("SELECT pg_advisory_unlock($1)", [lock])
        try await eventually("all are answered") { answers.count == 3 }
        #expect(answers.last == "large completed SELECT 1")
    }

    @Test func boundsKeptNotices() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let replies = try await connection.execute([
            [Command("DO $$ BEGIN FOR i IN 1..10000 LOOP RAISE NOTICE 'n%', i; END LOOP; END $$")]
        ])
        let notices = replies[0][0].result?.notices ?? []
        #expect(notices.count == 100)
        #expect(notices.first?.message == "n9901")
        #expect(notices.last?.message == "n10000")
    }
}
