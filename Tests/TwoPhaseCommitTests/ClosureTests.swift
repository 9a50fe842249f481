import EventLoop
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Closures read, decide and write")
    struct ClosureTests {
        struct SoldOut: Error {}

        @Test("three of five runs get one of three items", arguments: [true, false])
        func stock(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                _ = try await testbed.orders.psql(
                    """
                    CREATE TABLE stock (article text PRIMARY KEY, amount int);
                    INSERT INTO stock VALUES ('a', 3)
                    """)
                try await testbed.coordinate { coordinator in
                    let left = try await withThrowingTaskGroup(of: Int?.self) { group in
                        for number in 0..<5 {
                            group.addTask { try await buy(testbed, coordinator, number) }
                        }
                        return try await group.reduce(into: []) { $0.append($1) }
                    }
                    #expect(left.compactMap { $0 }.sorted() == [0, 1, 2])
                    #expect(try await testbed.orders.psql("SELECT amount FROM stock") == "0")
                    // Runs without an item leave no user.
                    try await testbed.expectQuiet(users: 3, orders: 0)
                }
            }
        }

        /// The number that is left, or nil if sold out.
        private func buy(
            _ testbed: Testbed, _ coordinator: Coordinator, _ number: Int
        ) async throws -> Int? {
            let stock = Participant(testbed.ordersDatabase) { tx in
                let amounts = try await tx.query(
                    "SELECT amount FROM stock WHERE article = $1 FOR UPDATE", "a", as: Int.self)
                guard let amount = amounts.first, amount > 0 else { throw SoldOut() }
                try await tx.execute("UPDATE stock SET amount = $1", amount - 1)
                return amount - 1
            }
            do throws(TransactionError) {
                return try await coordinator.run(stock, testbed.user("u\(number)")).value.0
            } catch {
                guard case .aborted(let aborted) = error, aborted.workError is SoldOut else {
                    throw error
                }
                return nil
            }
        }

        @Test("a read-only participant is confirmed as well", arguments: [true, false])
        func readOnly(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await coordinator.run([testbed.order("o")])
                    let reader = Participant(testbed.ordersDatabase, isReadOnly: true) { tx in
                        try await tx.query("SELECT id, amount FROM orders", as: (String, Int).self)
                    }
                    let committed = try await coordinator.run(reader, testbed.user("u"))
                    #expect(committed.value.0.map(\.0) == ["o"])
                    #expect(committed.unconfirmed == [])
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test func `a run calls a closure once, and a call may send several statements`()
            async throws
        {
            try await withTestbed(log: false) { testbed in
                try await testbed.coordinate { coordinator in
                    let calls = Lock(0)
                    let participant = Participant(testbed.usersDatabase) { tx in
                        calls.withLock { $0 += 1 }
                        async let first = tx.query("SELECT 1", as: Int.self)
                        async let second = tx.query("SELECT 2", as: Int.self)
                        async let third = tx.execute("INSERT INTO users VALUES ($1)", "u")
                        return try await (first, second, third)
                    }
                    let value = try await coordinator.run([participant]).value[0]
                    #expect(value == ([1], [2], 1))
                    #expect(calls.withLock { $0 } == 1)
                    // A second run calls the closure again.
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([participant])
                    }
                    #expect(error?.branchError?.server?.sqlState == "23505")
                    #expect(calls.withLock { $0 } == 2)
                    try await testbed.expectQuiet(users: 1, orders: 0)
                }
            }
        }
    }
}
