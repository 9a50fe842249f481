import CoordinatorAPI
import PostgresClusters
import PostgresTransactions
import Testing

@testable import tandem

@Suite("Callers' SQL and the journal", .serialized)
struct JournalGuards {
    /// A role that may do nothing but use the tables, and a journal that an administrator made.
    private func withGuardedJournal(_ body: (Testbed) async throws -> Void) async throws {
        try await withCommitModes(keys: JournalCommitTests.keys) { testbed in
            await testbed.replica.stop()
            for sql in [
                "DROP SCHEMA tandem_participant CASCADE", "CREATE ROLE app LOGIN",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO app",
            ] + JournalSchema.statements(role: "app") {
                _ = try await testbed.value("users", sql)
            }
            testbed.sandbox.addresses["users"] = try testbed.cluster("users")
                .connectionString(user: "app")
            try await testbed.nextIncarnation()
            #expect(try await testbed.value("users", Self.sessions) != "0")
            try await body(testbed)
        }
    }

    private static let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"

    @Test("no SQL of theirs changes a decision, where another role owns the journal")
    func guarded() async throws {
        try await withGuardedJournal { testbed in
            let first = try await testbed.post(Testbed.journalled("a"))
            #expect(first.status == 201)
            #expect(first.body["branches"]?[0]?["commitMode"]?.string == "journal")
            #expect(
                try await testbed.run("DELETE FROM tandem_participant.decisions").type
                    == "/problems/statement-not-allowed")
            for verb in [
                "DELETE FROM %", "TRUNCATE %", "UPDATE % SET decision = ''abort''",
                "INSERT INTO % SELECT * FROM %", "SELECT FROM %", "DROP TABLE %",
                "ALTER TABLE % DISABLE TRIGGER ALL",
            ] {
                let sql =
                    "DO $$BEGIN EXECUTE replace('\(verb)', '%', 'tandem_' || "
                    + "'participant.decisions'); END$$"
                let answer = try await testbed.run(sql)
                #expect(answer.body["sqlstate"]?.string == "42501", "\(verb): \(answer.text)")
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("what they set for themselves does not reach the local COMMIT")
    func settings() async throws {
        try await withGuardedJournal { testbed in
            _ = try await testbed.value("users", "CREATE ROLE other")
            _ = try await testbed.value("users", "GRANT other TO app")
            _ = try await testbed.value(
                "users", "GRANT ALL ON ALL TABLES IN SCHEMA public TO other")
            for sql in [
                "DO $$BEGIN SET LOCAL ROLE other; SET LOCAL synchronous_commit = off; END$$",
                "SET ROLE other", "SET search_path = nowhere", "SET CONSTRAINTS ALL DEFERRED",
            ] {
                let answer = try await testbed.post(
                    Testbed.request([Testbed.branch("users", sql)]))
                #expect(answer.status == 201, "\(sql): \(answer.text)")
                #expect(answer.body["branches"]?[0]?["commitMode"]?.string == "journal")
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    /// A COMMIT that waits for a standby is one that waits for the disk as well.
    @Test("a decision is durable, whenever their SQL turns synchronous_commit off")
    func durable() async throws {
        try await withCommitModes(keys: JournalCommitTests.keys) { testbed in
            try await testbed.asStranger(
                "users",
                [
                    "CREATE TABLE notes (note text)",
                    """
                    CREATE FUNCTION hurry() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                        PERFORM set_config('synchronous_commit', 'off', NEW.note = 'local');
                        RETURN NULL;
                    END $$
                    """,
                    """
                    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes
                        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hurry()
                    """,
                ])
            try await testbed.untilAvailable()
            let users = try testbed.cluster("users")
            let client = testbed.client
            for sql in [
                "SET LOCAL synchronous_commit = off",
                "SELECT set_config('synchronous_commit', 'off', false)",
                "INSERT INTO notes VALUES ('local')", "INSERT INTO notes VALUES ('of the session')",
                "DECLARE late CURSOR WITH HOLD FOR "
                    + "SELECT set_config('synchronous_commit', 'off', true)",
            ] {
                try await users.requireMissingStandby()
                let body = Testbed.request([Testbed.branch("users", sql)])
                let request = Task {
                    try Testbed.answer(await client.post("/v1/transactions", body))
                }
                try await testbed.until("the COMMIT waits after \(sql)") {
                    try await testbed.value("users", Self.waiting) == "1"
                }
                try await users.requireNoStandby()
                // Cut short, the wait proves nothing, so the journal is asked.
                try await testbed.until("it is committed") {
                    _ = try await testbed.value("users", Self.cutShort)
                    return try await testbed.newest("state") == ["committed"]
                }
                _ = try await request.value
                #expect(try await testbed.newest("journal_server IS NOT NULL") == ["t"])
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    private static let waiting = """
        SELECT count(*) FROM pg_stat_activity
        WHERE wait_event = 'SyncRep' AND application_name LIKE 'tandem-work%'
        """
    private static let cutShort = """
        SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
        """

    @Test("where the role may make no journal, branches are prepared as ever")
    func missing() async throws {
        try await withCommitModes(keys: JournalCommitTests.keys) { testbed in
            await testbed.replica.stop()
            for sql in [
                "DROP SCHEMA tandem_participant CASCADE", "CREATE ROLE app LOGIN",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO app",
            ] {
                _ = try await testbed.value("users", sql)
            }
            testbed.sandbox.addresses["users"] = try testbed.cluster("users")
                .connectionString(user: "app")
            try await testbed.nextIncarnation()
            let answer = try await testbed.post(Testbed.journalled("a"))
            #expect(answer.status == 201)
            #expect(answer.body["branches"]?[0]?["commitMode"]?.string == "twoPhase")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}
