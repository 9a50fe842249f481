import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    /// gosql2pc's three example programs; see `examples/swift`.
    @Suite("gosql2pc's programs, with a log and without")
    struct SeedProgramTests {
        @Test(
            "basic: a user and an order, and then an order that exists", arguments: [true, false])
        func basic(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate { coordinator in
                    let outcome = try await coordinator.run([
                        testbed.user("u1"), testbed.order("o1"),
                    ])
                    #expect(outcome.value == [1, 1])
                    _ = await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.user("u2"), testbed.order("o1")])
                    }
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test(
            "concurrency1: of 30 inserts of the same ids exactly one wins",
            arguments: [true, false])
        func sameIDs(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate { coordinator in
                    let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
                        for _ in 0..<30 {
                            group.addTask {
                                do throws(TransactionError) {
                                    // In turn, since parallel closures could deadlock.
                                    _ = try await coordinator.run(
                                        [testbed.user("same"), testbed.order("same")],
                                        order: .sequential)
                                    return true
                                } catch {
                                    let state = error.branchError?.server?.sqlState
                                    // Taken, or waiting beyond the lock timeout.
                                    #expect(["23505", "55P03"].contains(state), "\(error)")
                                    return false
                                }
                            }
                        }
                        return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
                    }
                    #expect(winners == 1)
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test(
            "concurrency2: a 2 s deadline against a 5 s holder of the same row",
            arguments: [true, false])
        func deadline(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await coordinator.run([testbed.user("u"), testbed.order("o")])
                    let isHeld = Gate()
                    let mayEnd = Gate()
                    let holder = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("UPDATE users SET name = 'holder' WHERE id = 'u'")
                        await isHeld.open()
                        // gosql2pc's program sleeps for 5 s here; the test waits for the event.
                        await mayEnd.pass()
                    }
                    let holding = Task {
                        try await coordinator.run([holder]).unconfirmed
                    }
                    await isHeld.pass()
                    let hasty = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("UPDATE users SET name = 'hasty' WHERE id = 'u'")
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run(
                            [hasty, testbed.order("o2")], within: .seconds(2))
                    }
                    guard case .deadline = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    await mayEnd.open()
                    #expect(try await holding.value == [])
                    #expect(try await testbed.users.psql("SELECT name FROM users") == "holder")
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }
    }
}
