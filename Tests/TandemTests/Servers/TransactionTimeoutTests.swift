import CoordinatorAPI
import Testing

@testable import tandem

@Suite("transaction_timeout, which PostgreSQL 17 brought", .postgres(17))
struct TransactionTimeoutTests {
    /// Longer than the timeout, which begins anew with each transaction.
    private static let slow = "SELECT pg_sleep(2)"

    private static let defaults = [
        "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET transaction_timeout = ''500ms''', "
            + "current_database()); END$$"
    ]

    /// It would end the session: a branch would be lost at work, or held for a decision.
    @Test("a database's own reaches no branch at work, none that is held, and no decision")
    func databaseDefault() async throws {
        try await onEndingStage(keys: JournalEndings.keys) { first in
            await first.replica.stop()
            for server in Sandbox.serverNames { try await first.asStranger(server, Self.defaults) }
            let replica = try await first.sandbox.startReplica(
                1, port: first.client.port, isQuiet: true)
            let stage = Stage(sandbox: first.sandbox, client: first.client, replica: replica)
            try await stage.untilAvailable()
            // `users` keeps a journal, so its branch is held open until `orders` has voted; the
            // second time on sessions that a branch had before, after their RESET ALL.
            for name in ["a", "b"] {
                let held = Stage.branch("users", "INSERT INTO users VALUES ('\(name)', 'x')")
                let answer = try await stage.post(
                    Stage.request([held, Stage.branch("orders", Self.slow)]))
                #expect(answer.status == 201, "\(answer.text)")
            }
            let prepared = Stage.branch("orders", "INSERT INTO orders VALUES ('a', 'a', 1)")
            let answer = try await stage.post(
                Stage.request([prepared, Stage.branch("users", Self.slow)]))
            #expect(answer.status == 201, "\(answer.text)")
            try await stage.expectQuiet(users: 2, orders: 1)
        }
    }
}
