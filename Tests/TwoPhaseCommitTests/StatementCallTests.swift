import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Calls of several statements, and their failures")
    struct StatementCallTests {
        @Test func `numbers statements over all calls of a closure`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let participant = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('u1')")
                        try await tx.execute([
                            SQLStatement("INSERT INTO users VALUES ('u2')"),
                            SQLStatement("INSERT INTO users VALUES ('u1')"),
                        ])
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([participant])
                    }
                    #expect(error?.branchError?.statement == 2)
                    #expect(error?.branchError?.server?.sqlState == "23505")
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `rejects a NUL in a value without losing the session`() async throws {
            try await withTestbed { testbed in
                var users = testbed.usersDatabase
                users.connections = 1
                try await testbed.coordinate({ $0.databases[0] = users }) { coordinator in
                    _ = try await coordinator.run([testbed.user("u1")])
                    let session = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'PREPARE%'"
                    let before = try await testbed.users.psql(session)
                    let bad = SQLStatement("INSERT INTO users VALUES ($1)", "a\0b")
                    let given = await failure { () async throws(TransactionError) in
                        try await coordinator.run([Participant(users, statements: [bad])])
                    }
                    guard case .refused(let refusal) = given?.aborted else {
                        Issue.record("\(String(describing: given))")
                        return
                    }
                    #expect(refusal.code == .invalid)
                    #expect(refusal.description.contains("$1 has a NUL"))
                    let called = await failure { () async throws(TransactionError) in
                        try await coordinator.run([
                            Participant(users) { tx in
                                try await tx.execute([SQLStatement("SELECT 1"), bad])
                            }
                        ])
                    }
                    #expect(called?.branchError?.code == .unacceptableStatement)
                    #expect(called?.branchError?.statement == 1)
                    _ = try await coordinator.run([testbed.user("u2")])
                    #expect(try await testbed.users.psql(session) == before)
                    try await testbed.expectQuiet(users: 2, orders: 0)
                }
            }
        }

        @Test func `repeats a call whose cached plan changed its result type`()
            async throws
        {
            try await withTestbed { testbed in
                var users = testbed.usersDatabase
                users.connections = 1
                try await testbed.coordinate({ $0.databases[0] = users }) { coordinator in
                    let participant = Participant(users) { tx in
                        try await tx.query([
                            SQLStatement("INSERT INTO users VALUES ('u') RETURNING id"),
                            SQLStatement("SELECT * FROM users"),
                            SQLStatement("DELETE FROM users"),
                        ]).map { $0.columns.count }
                    }
                    #expect(try await coordinator.run([participant]).value == [[1, 2, 0]])
                    _ = try await testbed.users.psql("ALTER TABLE users ADD COLUMN age int")
                    #expect(try await coordinator.run([participant]).value == [[1, 3, 0]])
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `accepts values for a column's new type`() async throws {
            try await withTestbed(log: false) { testbed in
                var orders = testbed.ordersDatabase
                orders.connections = 1
                try await testbed.coordinate({ $0.databases[1] = orders }) { coordinator in
                    let insert = "INSERT INTO orders (id, user_id) VALUES ($1, $2)"
                    let ahead = { (id: String) in
                        Participant(orders, statements: [SQLStatement(insert, id, "{}")])
                    }
                    let closure = { (id: String) in
                        Participant(orders) { tx in try await tx.execute(insert, id, "[]") }
                    }
                    _ = try await coordinator.run([ahead("a")])
                    // A prepared statement keeps its parameter types for its session.
                    for (type, id) in [("jsonb", "b"), ("text", "c")] {
                        _ = try await testbed.orders.psql(
                            "ALTER TABLE orders ALTER user_id TYPE \(type) USING user_id::\(type)")
                        _ = try await coordinator.run([ahead(id)])
                    }
                    _ = try await testbed.orders.psql(
                        "ALTER TABLE orders ALTER user_id TYPE jsonb USING user_id::jsonb")
                    _ = try await coordinator.run([closure("d")])
                    try await testbed.expectQuiet(users: 0, orders: 4)
                }
            }
        }

        @Test func `concurrent calls take turns, and none is lost`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let participant = Participant(testbed.usersDatabase) { tx in
                        async let one = tx.execute(
                            (0..<40).map {
                                SQLStatement("INSERT INTO users VALUES ($1)", "a\($0)")
                            })
                        async let other = tx.execute(
                            (0..<40).map {
                                SQLStatement("INSERT INTO users VALUES ($1)", "b\($0)")
                            })
                        return try await one.count + other.count
                    }
                    #expect(try await coordinator.run([participant]).value == [80])
                    try await testbed.expectQuiet(users: 80, orders: 0)
                }
            }
        }

        @Test func `one call can send and receive more than the socket buffers hold`() async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let long = String(repeating: "x", count: 10_000)
                    let statements = (0..<2000).map {
                        SQLStatement(
                            "INSERT INTO users VALUES ($1, $2) RETURNING name", "\($0)", long)
                    }
                    let participant = Participant(testbed.usersDatabase) { tx in
                        try await tx.query(statements).count
                    }
                    #expect(try await coordinator.run([participant]).value == [2000])
                    _ = try await coordinator.run([
                        Participant(
                            testbed.usersDatabase,
                            statements: [SQLStatement("DELETE FROM users", expectedRows: 2000)])
                    ])
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `an abort cancels a running call`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let participant = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("INSERT INTO users VALUES ('u1')"),
                            SQLStatement("SELECT pg_sleep(600)"),
                        ])
                    let run = Task { () async -> TransactionError? in
                        await failure { () async throws(TransactionError) in
                            try await coordinator.run([
                                participant, testbed.order("o1").discardingValue,
                            ])
                        }
                    }
                    try await until("the call is at work") {
                        try await testbed.users.psql(
                            """
                            SELECT count(*) FROM pg_stat_activity
                            WHERE query LIKE 'SELECT pg_sleep(6%' AND state = 'active'
                            """) == "1"
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

        @Test func `rejects every call after the closure has returned`()
            async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let leak = Participant(testbed.usersDatabase) { $0 }
                    let transaction = try await coordinator.run([leak]).value[0]
                    for statements in [[], [SQLStatement("SELECT 1")]] {
                        await #expect {
                            try await transaction.execute(statements)
                        } throws: {
                            ($0 as? BranchError)?.code == .transactionIsOver
                        }
                    }
                }
            }
        }

        @Test func `descriptions hide parameters`() {
            let statement = SQLStatement("SELECT $1", "secret")
            let participant = Participant(Database("users", at: ""), statements: [statement])
            #expect("\(statement)" == "SELECT $1")
            #expect(!String(reflecting: statement).contains("secret"))
            #expect(!"\(participant)".contains("secret"))
        }
    }
}
