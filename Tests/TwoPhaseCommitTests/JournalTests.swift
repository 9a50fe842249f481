import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("A database with a journal decides")
    struct JournalTests {
        /// A coordinator with a journal in `users`.
        private func withJournal(
            _ body: (Testbed, Database, Coordinator) async throws -> Void
        ) async throws {
            try await withTestbed { testbed in
                var users = testbed.usersDatabase
                users.keepsJournal = true
                try await testbed.coordinate({ $0.databases[0] = users }) { coordinator in
                    // Branches are prepared until the first session has checked the journal.
                    try await until("the journal decides") {
                        _ = try await coordinator.run([Participant(users, statements: [])])
                        return try await testbed.users.psql(
                            "SELECT count(*) > 0 FROM tandem.transactions WHERE journal_server IS NOT NULL",
                            database: "state") == "t"
                    }
                    try await body(testbed, users, coordinator)
                }
            }
        }

        @Test func `a journal commits closures and statements`() async throws {
            try await withJournal { testbed, users, coordinator in
                let given = Participant(
                    users, statements: [SQLStatement("INSERT INTO users VALUES ('u1')")])
                let committed = try await coordinator.run([
                    given, testbed.order("o1").discardingValue,
                ])
                try await until("the journal's decision is copied") {
                    try await testbed.users.psql(
                        """
                        SELECT decision, decision_from FROM tandem.transactions
                        WHERE journal_server IS NOT NULL ORDER BY number DESC LIMIT 1
                        """, database: "state") == "commit|commitPoint"
                }
                #expect(try await coordinator.status(of: committed.id) == .committed)
                _ = try await coordinator.run([testbed.user("u2"), testbed.order("o2")])
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([given, testbed.order("o3").discardingValue])
                }
                #expect(error?.branchError?.server?.constraint == "users_pkey")
                try await testbed.expectQuiet(users: 2, orders: 2)
            }
        }

        @Test func `a failed COMMIT of the journal aborts and reports PostgreSQL's error`()
            async throws
        {
            try await withJournal { testbed, users, coordinator in
                _ = try await testbed.users.psql("CREATE TABLE notes (note text)")
                let isCommitted = Gate()
                let reader = Participant(users) { tx in
                    try await tx.execute("INSERT INTO notes SELECT count(*) FROM users")
                }
                let other = Participant(testbed.ordersDatabase) { tx in
                    try await tx.execute("INSERT INTO orders VALUES ('o1')")
                    await isCommitted.pass()
                    return 1
                }
                let run = Task { () async -> TransactionError? in
                    await failure { () async throws(TransactionError) in
                        try await coordinator.run([reader, other], isolation: .serializable)
                    }
                }
                try await until("the journal's branch has done its work") {
                    try await testbed.users.psql(
                        """
                        SELECT count(*) FROM pg_stat_activity
                        WHERE state = 'idle in transaction' AND query LIKE '%pg_cursors%'
                        """) == "1"
                }
                // Each has read what the other writes; this one commits first.
                _ = try await testbed.users.psql(
                    """
                    BEGIN ISOLATION LEVEL SERIALIZABLE;
                    INSERT INTO users SELECT 'w', count(*) FROM notes;
                    COMMIT
                    """)
                await isCommitted.open()
                let error = await run.value
                guard case .branch(0, let cause) = error?.aborted else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(cause.server?.sqlState == "40001")
                #expect(cause.server?.message.contains("could not serialize access") == true)
                try await testbed.expectQuiet(users: 1, orders: 0)
                #expect(try await testbed.users.psql("SELECT count(*) FROM notes") == "0")
            }
        }
    }
}
