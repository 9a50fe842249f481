import EventLoop
import PostgresClient
import Testing

@Suite(.patient) @LoopActor
struct ServerTextTests {
    /// Of 8192 bytes the last one would be half of a character.
    private static let cut = "x" + String(repeating: "ä", count: 4095)

    @Test func cutsEveryTextOfError() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let replies = try await connection.execute(
            [
                [
                    Command(
                        """
                        DO $$
                        DECLARE text text := 'x' || repeat('ä', 1048576);
                        BEGIN
                            RAISE EXCEPTION USING MESSAGE = text, DETAIL = text, HINT = text,
                                SCHEMA = text, TABLE = text, COLUMN = text, CONSTRAINT = text;
                        END $$
                        """)
                ]
            ], timeout: patience)
        let message = try #require(replies[0][0].error)
        let mark = "… (2097153 bytes in all)"
        for text in [message.message, message.detail, message.hint] {
            #expect(text == Self.cut + mark)
        }
        for name in [message.schema, message.table, message.column, message.constraint] {
            #expect(name == "x" + String(repeating: "ä", count: 127) + mark)
        }
        #expect(message.context?.contains("line 4 at RAISE") == true)
        // The session is as good as before.
        #expect(try await connection.query("SELECT 1").rowCount == 1)
    }

    @Test func cutsWarningAndDeepContext() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let name = uniqueName("deep")
        _ = try await connection.query(
            """
            CREATE FUNCTION \(name)(depth int) RETURNS void LANGUAGE plpgsql AS $$
            BEGIN
                IF depth = 0 THEN RAISE WARNING '%', repeat('y', 100000); END IF;
                IF depth > 0 THEN PERFORM \(name)(depth - 1); END IF;
            END $$
            """)
        let result = try await connection.query("SELECT \(name)(200)", timeout: patience)
        let warning = try #require(result.notices.first)
        #expect(warning.message == String(repeating: "y", count: 8192) + "… (100000 bytes in all)")
        let context = try #require(warning.context)
        #expect(context.hasPrefix("PL/pgSQL function \(name)(integer) line 3 at RAISE"))
        #expect(context.hasSuffix(" bytes in all)") && context.utf8.count < 8300)
        #expect(warning.isFromCode && !warning.isCancelledStandbyWait)
    }

    @Test func keepsTextOfExactlyTheLimit() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let raise = Command(
            "DO $$ BEGIN RAISE '%', repeat('z', 8192); END $$")
        let message = try #require(try await connection.execute([[raise]])[0][0].error)
        #expect(message.message == String(repeating: "z", count: 8192))
        #expect(message.position == nil && message.routine == "exec_stmt_raise")
        let wrong = try await connection.execute([[Command("SELECT 1 FROM nowhere_at_all")]])
        let analysis = try #require(wrong[0][0].error)
        #expect(analysis.position == 15 && analysis.context == nil && !analysis.isFromCode)
    }

    /// Class 08 and 57P01 come from what raises them; only FATAL says that the session ends.
    @Test(arguments: ["08006", "57P01", "57P05", "25P03"])
    func treatsRaisedConnectionCodeAsOrdinaryError(_ code: String) async throws {
        let connection = try await connect()
        defer { connection.close() }
        let error = await failure {
            _ = try await connection.query(
                "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '\(code)'; END $$")
        }
        #expect(error?.serverMessage?.state.rawValue == code)
        #expect(error?.isOutcomeUnknown == false)
        #expect(try await connection.query("SELECT 1").rowCount == 1)
    }

    @Test func countsColumnNamesAmongResultBytes() async throws {
        let connection = try await connect()
        defer { connection.close() }
        let columns = (0..<100).map { "1 AS column_with_a_name_of_\($0)" }.joined(separator: ",")
        let select = Command("SELECT \(columns) WHERE false")
        for (bytes, isTruncated) in [(2000, true), (4000, false)] {
            let replies = try await connection.execute(
                [[select]], limits: ResultLimits(rows: 10, bytes: bytes))
            #expect(replies[0][0].result?.isTruncated == isTruncated, "\(bytes)")
        }
    }
}
