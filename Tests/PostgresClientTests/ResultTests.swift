import EventLoop
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct ResultTests {
    @Test func distinguishesNullFromEmptyText() async throws {
        let connection = try await connect()
        defer { connection.close() }
        for limits in [nil, ResultLimits(rows: 10, bytes: 1000)] {
            let replies = try await connection.execute(
                [[Command("SELECT $1::text, $2::text, $3::text AS third", [nil, "", "x"])]],
                limits: limits)
            let result = try #require(replies[0][0].result)
            #expect(result.text(row: 0, column: 0) == nil)
            #expect(result.text(row: 0, column: 1) == "")
            #expect(result.text(row: 0, column: 2) == "x")
            #expect(result.columns.map(\.name) == ["text", "text", "third"])
            #expect(result.columns.map(\.typeOID) == [25, 25, 25])
            #expect(result.withBytes(row: 0, column: 0) { $0.count } == nil)
            #expect(result.withBytes(row: 0, column: 2) { Array($0) } == [UInt8(ascii: "x")])
        }
    }

    @Test func returnsTextOfAnyScriptUnchanged() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let text = "Grüße, 世界 👩‍🚀 \u{1}\u{10FFFF}'\\\"$1"
        let result = try await connection.query("SELECT $1::text, length($1)", [text])
        #expect(result.text(row: 0, column: 0) == text)
        #expect(result.text(row: 0, column: 1) == "\(text.unicodeScalars.count)")
    }

    @Test func transfersValuesLargerThanBuffers() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let text = String(repeating: "0123456789abcdef", count: 1 << 20)
        let result = try await connection.query("SELECT $1::text", [text], timeout: patience)
        #expect(result.withBytes(row: 0, column: 0) { $0.count } == text.utf8.count)
        #expect(result.text(row: 0, column: 0) == text)
    }

    /// Neither side may wait for the other to read: the server's answers fill its buffers while
    /// there is still much for it to read.
    @Test func runsLongPipelineOfLargeValues() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let text = String(repeating: "x", count: 1 << 20)
        let segment = Array(repeating: Command("SELECT $1::text", [text]), count: 16)
        let replies = try await connection.execute([segment, segment], timeout: patience)
        #expect(
            replies.joined().allSatisfy {
                $0.result?.withBytes(row: 0, column: 0) { $0.count } == 1 << 20
            })
    }

    @Test func countsAffectedRows() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("counted")
        let create = try await connection.query("CREATE TABLE \(table) (id int)")
        #expect(create.affectedRows == nil && create.tag == "CREATE TABLE")
        let insert = try await connection.query("INSERT INTO \(table) SELECT generate_series(1, 5)")
        #expect(insert.affectedRows == 5 && insert.rowCount == 0 && insert.columns.isEmpty)
        let delete = try await connection.query("DELETE FROM \(table) WHERE id > 3 RETURNING id")
        #expect(delete.affectedRows == 2 && delete.rowCount == 2)
    }

    @Test func cancelsCommandBeyondLimits() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let endless = Command("SELECT generate_series(1, 1000000000), repeat('x', 100)")
        for limits in [
            ResultLimits(rows: 10, bytes: 1 << 20), ResultLimits(rows: 1_000_000, bytes: 1000),
        ] {
            let replies = try await connection.execute(
                [[endless], [Command("SELECT 1")]], limits: limits, timeout: patience)
            #expect(replies[0][0].summary == "exceeded")
            #expect(replies[1][0].result?.isTruncated == true)
            // The cancel must not hit what is sent after it.
            for _ in 0..<20 { _ = try await connection.query("SELECT pg_sleep(0.001)") }
        }
    }

    @Test func returnsAllRowsWithinLimits() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("limited")
        let replies = try await connection.execute(
            [
                [Command("CREATE TABLE \(table) (id int)")],
                [Command("INSERT INTO \(table) SELECT generate_series(1, 100)")],
                [Command("SELECT id, NULL, 'x' FROM \(table) ORDER BY id")],
                [Command("SELECT id FROM \(table) WHERE id < 0")],
                [Command("SELECT 1/0")],
                [Command("SELECT 1/(id - 3) FROM \(table) ORDER BY id")],
                [Command("SELECT 7")],
            ], limits: ResultLimits(rows: 110, bytes: 1000))
        #expect(
            replies.map { $0[0].summary } == [
                "completed CREATE TABLE", "completed INSERT 0 100", "completed SELECT 100",
                "completed SELECT 0", "failed 22012", "failed 22012", "completed SELECT 1",
            ])
        let rows = try #require(replies[2][0].result)
        #expect(rows.rowCount == 100)
        #expect((0..<100).allSatisfy { rows.text(row: $0, column: 0) == "\($0 + 1)" })
        #expect((0..<100).allSatisfy { rows.text(row: $0, column: 1) == nil })
        #expect((0..<100).allSatisfy { rows.text(row: $0, column: 2) == "x" })
        #expect(replies.allSatisfy { $0[0].result?.isTruncated != true })
        #expect(replies[3][0].result?.columns.map(\.name) == ["id"])
    }

    @Test func deliversNotifications() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let channel = uniqueName("channel")
        _ = try await connection.query("LISTEN \(channel)")
        let other = try await connect()
        defer { other.close() }
        let received: (String, String) = await withCheckedContinuation { done in
            connection.onNotification = { done.resume(returning: ($0, $1)) }
            Task { @LoopActor in _ = try await other.query("NOTIFY \(channel), 'hello'") }
        }
        #expect(received == (channel, "hello"))
    }
}
