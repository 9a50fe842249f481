import EventLoop
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Cancelling while a run waits, and while its decision is written")
    struct DecisionTests {
        @Test("cancelling does not lose a commit that is being written", arguments: [false, true])
        func whileDeciding(journal: Bool) async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate({ $0.databases[0].keepsJournal = journal }) {
                    coordinator in
                    let count = try await warmUp(testbed, coordinator, journal: journal)
                    let mayEnd = Gate()
                    let order = Participant(testbed.ordersDatabase) { tx in
                        try await tx.execute("INSERT INTO orders VALUES ('o')")
                        await mayEnd.pass()
                    }
                    let run = Task { try await coordinator.run(testbed.user("u"), order) }
                    try await until("it is accepted") {
                        try await testbed.users.psql(
                            "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL",
                            database: "state") == "1"
                    }
                    let lock =
                        journal
                        ? try await TableLock.take(
                            "tandem_participant.decisions", at: testbed.users.connectionString())
                        : try await TableLock.take(
                            "tandem.transactions", at: testbed.stateConnection)
                    await mayEnd.open()
                    try await until("its decision waits for the lock") {
                        try await testbed.users.psql(
                            """
                            SELECT count(*) > 0 FROM pg_stat_activity
                            WHERE wait_event_type = 'Lock' AND query LIKE \
                            '\(journal ? "%tandem_participant%" : "%decision = CASE%")'
                            """) == "t"
                    }
                    run.cancel()
                    // The loop handles the cancellation before the release below.
                    await Task(executorPreference: Coordinator.eventLoop) {}.value
                    try await lock.release()
                    #expect(try await run.value.unconfirmed == [])
                    try await testbed.expectQuiet(users: count + 1, orders: count + 1)
                }
            }
        }

        /// Runs until the journal is in use, if requested; returns the number of commits.
        private func warmUp(
            _ testbed: Testbed, _ coordinator: Coordinator, journal: Bool
        ) async throws -> Int {
            var count = 0
            try await until("the journal is in use, if there is one") {
                _ = try await coordinator.run([
                    testbed.user("w\(count)"), testbed.order("w\(count)"),
                ])
                count += 1
                return try await testbed.users.psql(
                    "SELECT count(*) FROM tandem.transactions WHERE 'journal' = ANY (commit_modes)",
                    database: "state") != "0" || !journal
            }
            try await testbed.expectQuiet(users: count, orders: count)
            return count
        }

        @Test func `a cancelled task sends nothing`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    // Connects first, so that only the cancellation stops the run.
                    _ = try await coordinator.run([testbed.user("u"), testbed.order("o")])
                    let never = Participant(testbed.usersDatabase) { _ in
                        Issue.record("the task was cancelled before")
                        return 0
                    }
                    let error = await Task {
                        withUnsafeCurrentTask { $0?.cancel() }
                        return await failure { () async throws(TransactionError) in
                            try await coordinator.run([never, testbed.order("o1")])
                        }
                    }.value
                    guard case .cancelled = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test func `cancelling ends the wait for a session`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate({ $0.databases[0].connections = 1 }) { coordinator in
                    let isHeld = Gate()
                    let mayEnd = Gate()
                    let holder = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('holder')")
                        await isHeld.open()
                        await mayEnd.pass()
                    }
                    let holding = Task { try await coordinator.run([holder]).unconfirmed }
                    await isHeld.pass()
                    let waiting = Task {
                        await failure { () async throws(TransactionError) in
                            try await coordinator.run([testbed.user("u")], within: .seconds(3600))
                        }
                    }
                    for _ in 0..<20 {
                        await Task(executorPreference: Coordinator.eventLoop) {}.value
                    }
                    waiting.cancel()
                    guard case .cancelled = await waiting.value?.aborted else {
                        Issue.record("it was not cancelled")
                        return
                    }
                    await mayEnd.open()
                    #expect(try await holding.value == [])
                    try await testbed.expectQuiet(users: 1, orders: 0)
                }
            }
        }

        @Test func `accepts a timeout of zero and of forever`() async throws {
            try await withTestbed(log: false) { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await coordinator.run(
                        [testbed.user("u"), testbed.order("o")], within: .seconds(Int64.max))
                    for timeout in [Duration.zero, .seconds(Int64.min)] {
                        let error = await failure { () async throws(TransactionError) in
                            try await coordinator.run(
                                [testbed.user("u1"), testbed.order("o1")], within: timeout)
                        }
                        guard case .deadline = error?.aborted else {
                            Issue.record("\(String(describing: error))")
                            return
                        }
                    }
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }
    }
}
