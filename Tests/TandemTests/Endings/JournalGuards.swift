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
