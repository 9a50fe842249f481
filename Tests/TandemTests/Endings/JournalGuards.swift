import CoordinatorAPI
import PostgresClusters
import PostgresTransactions
import Testing

@testable import tandem

@Suite("Callers' SQL and the journal", .serialized)
struct JournalGuards {
    /// A role that may do nothing but use the tables, and a journal that an administrator made.
    private func onGuardedStage(_ body: (Stage) async throws -> Void) async throws {
        try await onEndingStage(keys: JournalEndings.keys) { stage in
            await stage.replica.stop()
            for sql in [
                "DROP SCHEMA tandem_participant CASCADE", "CREATE ROLE app LOGIN",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO app",
            ] + JournalSchema.statements(role: "app") {
                _ = try await stage.value("users", sql)
            }
            stage.sandbox.addresses["users"] = try stage.cluster("users")
                .connectionString(user: "app")
            try await stage.nextLife()
            #expect(try await stage.value("users", Self.sessions) != "0")
            try await body(stage)
        }
    }

    private static let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'"

    @Test("no SQL of theirs changes a decision, where another role owns the journal")
    func guarded() async throws {
        try await onGuardedStage { stage in
            let first = try await stage.post(Stage.journalled("a"))
            #expect(first.status == 201)
            #expect(first.body["branches"]?[0]?["ending"]?.string == "journal")
            #expect(
                try await stage.run("DELETE FROM tandem_participant.decisions").type
                    == "/problems/unacceptable-sql")
            for verb in [
                "DELETE FROM %", "TRUNCATE %", "UPDATE % SET decision = ''abort''",
                "INSERT INTO % SELECT * FROM %", "SELECT FROM %", "DROP TABLE %",
                "ALTER TABLE % DISABLE TRIGGER ALL",
            ] {
                let sql =
                    "DO $$BEGIN EXECUTE replace('\(verb)', '%', 'tandem_' || "
                    + "'participant.decisions'); END$$"
                let answer = try await stage.run(sql)
                #expect(answer.body["sqlstate"]?.string == "42501", "\(verb): \(answer.text)")
            }
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("what they set for themselves does not reach the local COMMIT")
    func settings() async throws {
        try await onGuardedStage { stage in
            _ = try await stage.value("users", "CREATE ROLE other")
            _ = try await stage.value("users", "GRANT other TO app")
            _ = try await stage.value("users", "GRANT ALL ON ALL TABLES IN SCHEMA public TO other")
            for sql in [
                "DO $$BEGIN SET LOCAL ROLE other; SET LOCAL synchronous_commit = off; END$$",
                "SET ROLE other", "SET search_path = nowhere", "SET CONSTRAINTS ALL DEFERRED",
            ] {
                let answer = try await stage.post(
                    Stage.request([Stage.branch("users", sql)]))
                #expect(answer.status == 201, "\(sql): \(answer.text)")
                #expect(answer.body["branches"]?[0]?["ending"]?.string == "journal")
            }
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }

    /// A COMMIT that waits for a standby is one that waits for the disk as well.
    @Test("a decision is durable, whenever their SQL turns synchronous_commit off")
    func durable() async throws {
        try await onEndingStage(keys: JournalEndings.keys) { stage in
            try await stage.asStranger(
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
            try await stage.untilAvailable()
            let users = try stage.cluster("users")
            let client = stage.client
            for sql in [
                "SET LOCAL synchronous_commit = off",
                "SELECT set_config('synchronous_commit', 'off', false)",
                "INSERT INTO notes VALUES ('local')", "INSERT INTO notes VALUES ('of the session')",
                "DECLARE late CURSOR WITH HOLD FOR "
                    + "SELECT set_config('synchronous_commit', 'off', true)",
            ] {
                try await users.requireMissingStandby()
                let body = Stage.request([Stage.branch("users", sql)])
                let request = Task { try Stage.answer(await client.post("/v1/transactions", body)) }
                try await stage.until("the COMMIT waits after \(sql)") {
                    try await stage.value("users", Self.waiting) == "1"
                }
                try await users.requireNoStandby()
                // Cut short, the wait proves nothing, so the journal is asked.
                try await stage.until("it is committed") {
                    _ = try await stage.value("users", Self.cutShort)
                    return try await stage.newest("state") == ["committed"]
                }
                _ = try await request.value
                #expect(try await stage.newest("journal IS NOT NULL") == ["t"])
            }
            try await stage.expectQuiet(users: 0, orders: 0)
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
        try await onEndingStage(keys: JournalEndings.keys) { stage in
            await stage.replica.stop()
            for sql in [
                "DROP SCHEMA tandem_participant CASCADE", "CREATE ROLE app LOGIN",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO app",
            ] {
                _ = try await stage.value("users", sql)
            }
            stage.sandbox.addresses["users"] = try stage.cluster("users")
                .connectionString(user: "app")
            try await stage.nextLife()
            let answer = try await stage.post(Stage.journalled("a"))
            #expect(answer.status == 201)
            #expect(answer.body["branches"]?[0]?["ending"]?.string == "twoPhase")
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }
}
