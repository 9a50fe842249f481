import EventLoop
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct StatementTests {
    private func preparedCount(_ connection: PostgresConnection) async throws -> Int {
        let replies = try await connection.execute([
            [Command("SELECT count(*) FROM pg_prepared_statements", cached: false)]
        ])
        return Int(replies[0][0].result?.text(row: 0, column: 0) ?? "") ?? -1
    }

    @Test func preparesCachedStatementOnce() async throws {
        let connection = try await connect()
        defer { connection.close() }
        for index in 0..<5 {
            let result = try await connection.query("SELECT $1::int + 1", ["\(index)"])
            #expect(result.text(row: 0, column: 0) == "\(index + 1)")
        }
        #expect(try await preparedCount(connection) == 1)
    }

    @Test func replacesLeastRecentlyUsedStatement() async throws {
        let connection = try await connect(statementsMax: 4)
        defer { connection.close() }
        for index in 0..<400 {
            _ = try await connection.query("SELECT 'kept'")
            let result = try await connection.query("SELECT \(index)")
            #expect(result.text(row: 0, column: 0) == "\(index)")
        }
        // Four in use, and fewer retired ones than make a round of deallocation worthwhile.
        #expect(try await preparedCount(connection) <= 4 + 16)
        let kept = try await connection.query(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT ''kept'''")
        #expect(kept.text(row: 0, column: 0) == "1")
    }

    /// Swift's String calls these equal; the server counts their bytes.
    @Test func runsEachSpellingOfALetter() async throws {
        let connection = try await connect()
        defer { connection.close() }
        for _ in 0..<2 {
            for (sql, length) in [
                ("SELECT octet_length('\u{E9}')", "2"), ("SELECT octet_length('e\u{301}')", "3"),
            ] {
                #expect(try await connection.query(sql).text(row: 0, column: 0) == length)
            }
        }
    }

    @Test func usesNoNamesWithoutCache() async throws {
        let connection = try await connect(statementsMax: 0)
        defer { connection.close() }
        _ = try await connection.query("SELECT 1")
        #expect(try await preparedCount(connection) == 0)
    }

    /// The server clears the session behind our back: inside a DO block no tag tells of it.
    @Test func repreparesStatementAfterDeallocate() async throws {
        let connection = try await connect()
        defer { connection.close() }
        _ = try await connection.query("SELECT 1")
        _ = try await connection.query("SELECT 2")
        _ = try await connection.query("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
        let first = try await connection.execute([[Command("SELECT 1"), Command("SELECT 2")]])
        #expect(first[0].map(\.summary) == ["failed 26000", "skipped"])
        #expect(first[0][0].forgotStatement)
        let again = try await connection.execute([[Command("SELECT 1"), Command("SELECT 2")]])
        #expect(again[0].map(\.summary) == ["completed SELECT 1", "completed SELECT 1"])
        #expect(try await preparedCount(connection) == 2)
    }

    @Test func queryRepreparesByItself() async throws {
        let connection = try await connect()
        defer { connection.close() }
        _ = try await connection.query("SELECT 1")
        _ = try await connection.query("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
        _ = try await connection.query("SELECT 1")
    }

    @Test(arguments: ["DEALLOCATE ALL", "DISCARD ALL"])
    func noticesDeallocationOfAllStatements(_ sql: String) async throws {
        let connection = try await connect()
        defer { connection.close() }
        _ = try await connection.query("SELECT 1")
        let replies = try await connection.execute([
            [Command(sql, cached: false)], [Command("SELECT 2")],
        ])
        #expect(replies.joined().allSatisfy { $0.result != nil })
        let after = try await connection.execute([[Command("SELECT 1"), Command("SELECT 2")]])
        #expect(after[0].allSatisfy { $0.result != nil })
        #expect(try await preparedCount(connection) == 2)
    }

    private static let fixedCommands = [
        Command.fixed("SELECT 10"), Command.fixed("SELECT $1::int"),
        // The same text again has another number, and the same prepared statement.
        Command.fixed("SELECT 10"),
    ]

    @Test func keepsFixedStatementsLikeOthers() async throws {
        let connection = try await connect(statementsMax: 2)
        defer { connection.close() }
        let commands = [
            Self.fixedCommands[0], Self.fixedCommands[1].with(["7"]), Self.fixedCommands[2],
        ]
        for clear in ["DEALLOCATE ALL", "DISCARD ALL", "SELECT 'a'", "SELECT 'b'"] {
            for _ in 1...3 {
                let replies = try await connection.execute([commands])
                #expect(replies[0].map { $0.result?.text(row: 0, column: 0) } == ["10", "7", "10"])
            }
            #expect(connection.parameterTypes(of: "SELECT $1::int") == [23])
            // Others take their places, or all are deallocated.
            let others = [clear, clear + ", 1", clear + ", 2"].map { Command($0) }
            _ = try await connection.execute(
                clear.hasPrefix("SELECT") ? [others] : [[Command(clear, cached: false)]])
        }
        // Behind the connection's back: it finds out, and forgets them all.
        _ = try await connection.query("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
        _ = try await connection.execute([commands])
        let failed = try await connection.execute([[Command("SELECT 1/0")], commands])
        #expect(failed[1].map(\.error).allSatisfy { $0 == nil || $0?.forgotStatement == true })
        let again = try await connection.execute([commands])
        #expect(again[0].allSatisfy { $0.result != nil })
    }

    /// The statement is forgotten in the midst of a pipeline, before the replies of those that use it.
    @Test func preparesFixedStatementAnewThatWasForgotten() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let command = Self.fixedCommands[0]
        let failed = try await connection.execute([[Command("SELECT 1/0"), command], [command]])
        #expect(
            failed.joined().map(\.summary) == ["failed 22012", "skipped", "completed SELECT 1"])
        #expect(try await connection.execute([[command]])[0][0].summary == "completed SELECT 1")
        #expect(try await preparedCount(connection) == 2)
    }

    @Test func forgetsPlanWhoseResultTypeChanged() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("altered")
        _ = try await connection.query("CREATE TABLE \(table) (id int)")
        let select = Command("SELECT * FROM \(table)")
        _ = try await connection.execute([[select]])
        _ = try await connection.query("ALTER TABLE \(table) ADD COLUMN name text")
        let outdated = try await connection.execute([[select]])
        #expect(outdated[0][0].error?.state == .featureNotSupported)
        #expect(outdated[0][0].forgotStatement)
        let again = try await connection.execute([[select]])
        #expect(again[0][0].result?.columnCount == 2)
    }

    /// PostgreSQL infers a parameter's type once, when the statement is prepared.
    @Test func forgetsPlanWhoseParameterTypeChanged() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("altered")
        _ = try await connection.query("CREATE TABLE \(table) (number int, document text)")
        let number = Command("INSERT INTO \(table) (number) VALUES ($1)", ["1"])
        let document = Command("INSERT INTO \(table) (document) VALUES ($1)", ["{}"])
        let first = try await connection.execute([[number], [document]])
        #expect(first.joined().allSatisfy { $0.result != nil })
        _ = try await connection.query(
            """
            ALTER TABLE \(table) ALTER number TYPE bigint,
                ALTER document TYPE jsonb USING document::jsonb
            """)
        let large = Command(number.sql, ["3000000000"])
        let outdated = try await connection.execute([[large], [document]])
        #expect(outdated.joined().map(\.summary) == ["failed 22003", "failed 42804"])
        // It may be the value that is to blame; then the same again would fail again.
        #expect(outdated.joined().map(\.forgotStatement) == [false, true])
        let again = try await connection.execute([[large], [document]])
        #expect(again.joined().allSatisfy { $0.result != nil })
        #expect(try await connection.query(document.sql, ["{}"]).affectedRows == 1)
    }

    /// Whether a value or the type of then is to blame is found out without running anything.
    @Test func blamesOutdatedStatementOnlyForChangedType() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("altered")
        _ = try await connection.query("CREATE TABLE \(table) (number int PRIMARY KEY)")
        let insert = "INSERT INTO \(table) VALUES ($1)"
        func isOutdated(_ value: String) async throws -> Bool {
            let before = connection.lastSegment
            let commands = [Command(insert, [value])]
            let replies = try await connection.execute([commands])[0]
            return await connection.isOutdated(
                commands, replies, before: before, timeout: .seconds(300))
        }
        for value in ["1", "1", "one", "1", "3000000000", "1"] {
            #expect(try await !isOutdated(value), "\(value)")
        }
        _ = try await connection.query(insert, ["2"])
        _ = try await connection.query("ALTER TABLE \(table) ALTER number TYPE text")
        #expect(try await isOutdated("one"))
        for _ in 1...2 { #expect(try await !isOutdated("one")) }
        let found = try await connection.query(
            "SELECT string_agg(number, ' ' ORDER BY number) FROM \(table)")
        #expect(found.text(row: 0, column: 0) == "1 2 one")
    }

    @Test func keepsParameterTypesOfStatement() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let sql = "SELECT $1::int[], $2::text"
        #expect(connection.parameterTypes(of: sql) == nil)
        for isCached in [false, true] {
            let described = try await connection.execute([
                [Command("SELECT 1"), .describing(sql, cached: isCached)]
            ])
            #expect(described[0][1].result?.parameterTypes == [1007, 25])
            #expect(connection.parameterTypes(of: sql) == (isCached ? [1007, 25] : nil))
        }
        let faulty = try await connection.execute([
            [.describing("SELECT nothing"), Command("SELECT 1")]
        ])
        #expect(faulty[0].map(\.summary) == ["failed 42703", "skipped"])
        _ = try await connection.query("SELECT $1::date", ["2026-01-02"])
        #expect(connection.parameterTypes(of: "SELECT $1::date") == [1082])
    }

    @Test func findsArraysOfAnyType() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let name = uniqueName("t")
        for sql in [
            "CREATE TYPE \(name) AS ENUM ('a')", "CREATE DOMAIN \(name)_d AS \(name)",
            "CREATE DOMAIN \(name)_l AS \(name)_d[]",
        ] { _ = try await connection.query(sql) }
        let names = [name, "\(name)[]", "\(name)_d[]", "\(name)_l", "\(name)_d"]
        let columns = names.map { "'\($0)'::regtype::oid" }.joined(separator: ", ")
        let row = try await connection.query("SELECT \(columns)")
        let oids = names.indices.compactMap { row.text(row: 0, column: $0).flatMap(UInt32.init) }
        let arrays = try await connection.arrayTypes(oids + [1007, 25, 1020])
        #expect(arrays.count == 5)
        for oid in oids[1...3] {
            #expect(arrays[oid]?.element == oids[0])
            #expect(arrays[oid]?.delimiter == UInt8(ascii: ","))
        }
        #expect(arrays[1007]?.element == 23)
        #expect(arrays[1020]?.delimiter == UInt8(ascii: ";"))
    }

    @Test func matchesBuiltInArraysOfServer() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let rows = try await connection.query(
            """
            SELECT a.oid, a.typelem, e.typdelim
            FROM pg_type AS a JOIN pg_type AS e ON e.oid = a.typelem
            WHERE a.typinput = 'array_in'::regproc AND a.oid < 10000
            """)
        #expect(rows.rowCount > 50)
        for row in 0..<rows.rowCount {
            let oid = rows.text(row: row, column: 0).flatMap(UInt32.init) ?? 0
            let array = ArrayType(builtIn: oid)
            #expect(array.map { "\($0.element)" } == rows.text(row: row, column: 1), "\(oid)")
            #expect(array?.delimiter == rows.text(row: row, column: 2)?.utf8.first, "\(oid)")
        }
    }

    /// Rights, policies and functions fail with codes of the class of a text that does not fit, when the
    /// statement runs.
    @Test func neverRepeatsStatementThatHasRun() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let name = uniqueName("refusing")
        _ = try await connection.query("CREATE SEQUENCE \(name)_calls")
        _ = try await connection.query(
            """
            CREATE FUNCTION \(name)() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                PERFORM nextval('\(name)_calls');
                RAISE insufficient_privilege;
            END $$
            """)
        for _ in 0..<2 {
            let error = await failure { _ = try await connection.query("SELECT \(name)()") }
            #expect(error?.serverMessage?.state == .insufficientPrivilege)
            #expect(error?.serverMessage?.forgotStatement == false)
        }
        let calls = try await connection.query("SELECT last_value FROM \(name)_calls")
        #expect(calls.text(row: 0, column: 0) == "2")
    }

    /// The first segment fails before its Parse of "SELECT 7" is reached; the second call has been
    /// sent already, and must not rely on a statement that never came to be.
    @Test func neverReusesUnconfirmedStatement() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let failing = Task.immediate { @LoopActor in
            try await connection.execute([
                [Command("SELECT 1/0"), Command("SELECT 7")], [Command("SELECT 7")],
            ])
        }
        let second = try await connection.execute([[Command("SELECT 7")]])
        let first = try await failing.value
        #expect(first[0].map(\.summary) == ["failed 22012", "skipped"])
        #expect(first[1].map(\.summary) == ["completed SELECT 1"])
        #expect(second[0].map(\.summary) == ["completed SELECT 1"])
        let third = try await connection.execute([[Command("SELECT 7")], [Command("SELECT 7")]])
        #expect(third.joined().allSatisfy { $0.result?.text(row: 0, column: 0) == "7" })
    }

    @Test func forgetsStatementWithError() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let table = uniqueName("later")
        for _ in 0..<2 {
            let replies = try await connection.execute([[Command("SELECT * FROM \(table)")]])
            #expect(replies[0][0].error?.state == .undefinedTable)
            #expect(!replies[0][0].forgotStatement)
        }
        _ = try await connection.query("CREATE TABLE \(table) (id int)")
        #expect(try await connection.query("SELECT * FROM \(table)").rowCount == 0)
    }

    @Test func refusesUnsendableCommandBeforeSending() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let many = Command("SELECT 1", Array(repeating: "1", count: 65_536))
        for command in [
            Command("SELECT 1 -- \u{0}"), Command("SELECT $1::text", ["a\u{0}b"]), many,
        ] {
            let error = await failure {
                _ = try await connection.execute([
                    [Command("CREATE TABLE never (id int)"), command]
                ])
            }
            guard case .server(let message) = error else { return #expect(error == nil) }
            #expect([.characterNotInRepertoire, .protocolViolation].contains(message.state))
        }
        let never = try await connection.query("SELECT to_regclass('never')")
        #expect(never.text(row: 0, column: 0) == nil)
        #expect(connection.outstanding == 0)
    }
}
