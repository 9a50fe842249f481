import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite(
        "Cancellation and deadlines: before the decision an abort, afterwards never a lost commit")
    struct CancellationTests {
        @Test(arguments: [(false, true), (true, true), (false, false)])
        func `cancelling the task aborts and cancels the closure`(
            onLoop: Bool, log: Bool
        ) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate({
                    if onLoop { $0.executorPreference = Coordinator.eventLoop }
                }) { coordinator in
                    let isWorking = Gate()
                    let patient = Participant(testbed.ordersDatabase) { tx in
                        try await tx.execute("INSERT INTO orders VALUES ('o1')")
                        await isWorking.open()
                        try await Task.sleep(for: .seconds(3600))
                        return 0
                    }
                    let run = Task {
                        await failure { () async throws(TransactionError) in
                            try await coordinator.run([testbed.user("u1"), patient])
                        }
                    }
                    await isWorking.pass()
                    // A branch that is prepared by then is rolled back as well.
                    try await until("the user is prepared") {
                        try await Testbed.preparedCount(testbed.users) == 1
                    }
                    run.cancel()
                    guard case .cancelled = await run.value?.aborted else {
                        Issue.record("it was not cancelled")
                        return
                    }
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `cancelling ends a waiting statement in the database`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let sleeper = Participant(testbed.ordersDatabase) { tx in
                        try await tx.execute("SELECT pg_sleep(3600)")
                    }
                    let run = Task {
                        await failure { () async throws(TransactionError) in
                            try await coordinator.run([testbed.user("u1"), sleeper])
                        }
                    }
                    try await until("it sleeps") {
                        try await testbed.orders.psql(
                            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
                            == "1"
                    }
                    run.cancel()
                    guard case .cancelled = await run.value?.aborted else {
                        Issue.record("it was not cancelled")
                        return
                    }
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `the deadline ends a run whose closure never returns`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    // Connects first, so that only the closure takes too long.
                    _ = try await coordinator.run([testbed.user("u"), testbed.order("o")])
                    let never = Gate()
                    let stubborn = Participant(testbed.ordersDatabase) { tx in
                        try await tx.execute("INSERT INTO orders VALUES ('o1')")
                        await never.pass()
                        return try await tx.execute("INSERT INTO orders VALUES ('o2')")
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run(
                            [testbed.user("u1"), stubborn], within: .seconds(3))
                    }
                    guard case .deadline = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    try await testbed.expectQuiet(users: 1, orders: 1)
                    // The closure continues after its transaction has ended.
                    await never.open()
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test func `a cancelled run reports what the databases hold`()
            async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    // From before the work to after the finish, so that every phase is hit.
                    for number in 0..<60 {
                        let run = Task { () -> Bool? in
                            do throws(TransactionError) {
                                _ = try await coordinator.run(
                                    [testbed.user("u\(number)"), testbed.order("o\(number)")])
                                return true
                            } catch {
                                guard case .aborted = error else { return nil }
                                return false
                            }
                        }
                        try await Task.sleep(for: .microseconds(number * 150))
                        run.cancel()
                        guard let isCommitted = await run.value else {
                            Issue.record("the outcome of number \(number) was not reported")
                            return
                        }
                        let rows = isCommitted ? "1" : "0"
                        #expect(
                            try await testbed.users.psql(
                                "SELECT count(*) FROM users WHERE id = 'u\(number)'") == rows)
                        #expect(
                            try await testbed.orders.psql(
                                "SELECT count(*) FROM orders WHERE id = 'o\(number)'") == rows)
                    }
                }
            }
        }
    }
}
