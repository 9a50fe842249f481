import EventLoop
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Cancelling at the edges: while it waits, and while its decision is written")
    struct DecisionTests {
        @Test("a commit that is being written is not lost to a cancel", arguments: [false, true])
        func whileDeciding(journal: Bool) async throws {
            try await onStage { stage in
                try await stage.coordinate({ $0.databases[0].keepsJournal = journal }) {
                    coordinator in
                    let count = try await warmUp(stage, coordinator, journal: journal)
                    let mayEnd = Gate()
                    let order = Participant(stage.ordersDatabase) { tx in
                        try await tx.execute("INSERT INTO orders VALUES ('o')")
                        await mayEnd.pass()
                    }
                    let run = Task { try await coordinator.run(stage.user("u"), order) }
                    try await until("it is accepted") {
                        try await stage.users.psql(
                            "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL",
                            database: "state") == "1"
                    }
                    let lock =
                        journal
                        ? try await TableLock.take(
                            "tandem_participant.decisions", at: stage.users.connectionString())
                        : try await TableLock.take(
                            "tandem.transactions", at: stage.stateConnection)
                    await mayEnd.open()
                    try await until("its decision waits for the lock") {
                        try await stage.users.psql(
                            """
                            SELECT count(*) > 0 FROM pg_stat_activity
                            WHERE wait_event_type = 'Lock' AND query LIKE \
                            '\(journal ? "%tandem_participant%" : "%decision = CASE%")'
                            """) == "t"
                    }
                    run.cancel()
                    // What the cancel has to tell the loop is told before what comes now.
                    await Task(executorPreference: Coordinator.eventLoop) {}.value
                    try await lock.release()
                    #expect(try await run.value.unconfirmed == [])
                    try await stage.expectQuiet(users: count + 1, orders: count + 1)
                }
            }
        }

        /// Runs until the journal is in use, if it is to be; answers how many were committed.
        private func warmUp(
            _ stage: Stage, _ coordinator: Coordinator, journal: Bool
        ) async throws -> Int {
            var count = 0
            try await until("the journal is in use, if there is one") {
                _ = try await coordinator.run([stage.user("w\(count)"), stage.order("w\(count)")])
                count += 1
                return try await stage.users.psql(
                    "SELECT count(*) FROM tandem.transactions WHERE 'journal' = ANY (endings)",
                    database: "state") != "0" || !journal
            }
            try await stage.expectQuiet(users: count, orders: count)
            return count
        }

        @Test func `a task that is cancelled already sends nothing`() async throws {
            try await onStage { stage in
                try await stage.coordinate { coordinator in
                    // Connected by then: nothing but the cancel stands in its way.
                    _ = try await coordinator.run([stage.user("u"), stage.order("o")])
                    let never = Participant(stage.usersDatabase) { _ in
                        Issue.record("the task was cancelled before")
                        return 0
                    }
                    let error = await Task {
                        withUnsafeCurrentTask { $0?.cancel() }
                        return await failure { () async throws(TransactionError) in
                            try await coordinator.run([never, stage.order("o1")])
                        }
                    }.value
                    guard case .cancelled = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    try await stage.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test func `whoever waits for a session is cancelled while it waits`() async throws {
            try await onStage { stage in
                try await stage.coordinate({ $0.databases[0].connections = 1 }) { coordinator in
                    let isHeld = Gate()
                    let mayEnd = Gate()
                    let holder = Participant(stage.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('holder')")
                        await isHeld.open()
                        await mayEnd.pass()
                    }
                    let holding = Task { try await coordinator.run([holder]).unconfirmed }
                    await isHeld.pass()
                    let waiting = Task {
                        await failure { () async throws(TransactionError) in
                            try await coordinator.run([stage.user("u")], within: .seconds(3600))
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
                    try await stage.expectQuiet(users: 1, orders: 0)
                }
            }
        }

        @Test func `any deadline is understood: none left, and for ever`() async throws {
            try await onStage(log: false) { stage in
                try await stage.coordinate { coordinator in
                    _ = try await coordinator.run(
                        [stage.user("u"), stage.order("o")], within: .seconds(Int64.max))
                    for timeout in [Duration.zero, .seconds(Int64.min)] {
                        let error = await failure { () async throws(TransactionError) in
                            try await coordinator.run(
                                [stage.user("u1"), stage.order("o1")], within: timeout)
                        }
                        guard case .deadline = error?.aborted else {
                            Issue.record("\(String(describing: error))")
                            return
                        }
                    }
                    try await stage.expectQuiet(users: 1, orders: 1)
                }
            }
        }
    }
}
