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
        try await withCommitModes(keys: JournalCommitTests.keys) { first in
            await first.replica.stop()
            for server in Sandbox.serverNames { try await first.asStranger(server, Self.defaults) }
            let replica = try await first.sandbox.startReplica(
                1, port: first.client.port, isQuiet: true)
            let testbed = Testbed(sandbox: first.sandbox, client: first.client, replica: replica)
            try await testbed.untilAvailable()
            // `users` keeps a journal, so its branch is held open until `orders` has voted; the
            // second time on sessions that a branch had before, after their RESET ALL.
            for name in ["a", "b"] {
                let held = Testbed.branch("users", "INSERT INTO users VALUES ('\(name)', 'x')")
                let answer = try await testbed.post(
                    Testbed.request([held, Testbed.branch("orders", Self.slow)]))
                #expect(answer.status == 201, "\(answer.text)")
            }
            let prepared = Testbed.branch("orders", "INSERT INTO orders VALUES ('a', 'a', 1)")
            let answer = try await testbed.post(
                Testbed.request([prepared, Testbed.branch("users", Self.slow)]))
            #expect(answer.status == 201, "\(answer.text)")
            try await testbed.expectQuiet(users: 2, orders: 1)
        }
    }
}
