import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("A decision lost with the journal's server")
    struct LostJournalTests {
        @Test
        func `the outcome is unknown, and the status needsOperator once another server answers`()
            async throws
        {
            try await withTestbed { testbed in
                // Another server, not a standby, takes the place of the journal's server.
                var orders = Database(
                    "orders",
                    at:
                        "host=127.0.0.1,127.0.0.1 port=\(testbed.orders.port),\(testbed.users.port) "
                        + "dbname=postgres user=postgres")
                orders.connectTimeout = patience
                orders.keepsJournal = true
                try await testbed.coordinate({
                    $0.databases[1] = orders
                    $0.finishWait = .seconds(1)
                }) { [orders] coordinator in
                    try await until("the journal decides") {
                        _ = try await coordinator.run([Participant(orders, statements: [])])
                        return try await testbed.users.psql(
                            "SELECT count(*) > 0 FROM tandem.transactions WHERE journal_server IS NOT NULL",
                            database: "state") == "t"
                    }
                    let deciding = Participant(orders) { tx in
                        try await tx.execute("INSERT INTO orders VALUES ('o1')")
                        // The COMMIT is sent but not answered.
                        try await testbed.orders.requireMissingStandby()
                        return 1
                    }
                    async let run = failure { () async throws(TransactionError) in
                        try await coordinator.run([deciding, testbed.user("u1")])
                    }
                    try await until("the journal has it, and waits for its standby") {
                        try await testbed.orders.psql(
                            """
                            SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'
                                AND application_name LIKE 'tandem-work%'
                            """) == "1"
                    }
                    await testbed.orders.kill()
                    guard case .unknown(let unknown)? = await run else {
                        Issue.record("nobody can say what the journal holds")
                        return
                    }
                    try await until("that nobody can say is recorded") {
                        try await testbed.users.psql(
                            "SELECT state FROM tandem.transactions ORDER BY number DESC LIMIT 1",
                            database: "state") == "needsOperator"
                    }
                    #expect(try await coordinator.status(of: unknown.id) == .needsOperator)
                    #expect(try await Testbed.preparedCount(testbed.users) == 1)
                    #expect(try await testbed.users.psql("SELECT count(*) FROM users") == "0")
                }
            }
        }
    }
}
