import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Participants of statements, and several statements in one round trip")
    struct StatementTests {
        @Test(arguments: [ExecutionOrder.parallel, .sequential])
        func `a participant of statements commits with closures`(
            _ order: ExecutionOrder
        ) async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let users = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("INSERT INTO users VALUES ($1, $2)", "u1", "Ada"),
                            SQLStatement(
                                "UPDATE users SET name = $1 WHERE id = $2", nil, "u1",
                                expectedRows: 1),
                        ])
                    let committed = try await coordinator.run(
                        users, testbed.order("o1"), order: order)
                    #expect(committed.value.1 == 1)
                    #expect(try await testbed.users.psql("SELECT id, name FROM users") == "u1|")
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test(arguments: [true, false])
        func `a failed statement is the cause, with the server's message`(
            hasLog: Bool
        ) async throws {
            try await withTestbed(log: hasLog) { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await coordinator.run([testbed.user("u1")])
                    let users = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("INSERT INTO users VALUES ('u2')"),
                            SQLStatement("INSERT INTO users VALUES ($1)", "u1"),
                        ])
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([users, testbed.order("o1").discardingValue])
                    }
                    guard case .branch(0, let cause) = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    #expect(cause.code == .statementFailed)
                    #expect(cause.statement == 1)
                    #expect(cause.message == "statement 1 failed")
                    #expect(cause.server?.sqlState == "23505")
                    #expect(cause.server?.constraint == "users_pkey")
                    #expect(cause.server?.detail == "Key (id)=(u1) already exists.")
                    try await testbed.expectQuiet(users: 1, orders: 0)
                }
            }
        }

        @Test func `an unexpected number of rows aborts the transaction`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let users = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("INSERT INTO users VALUES ('u1')", expectedRows: 1),
                            SQLStatement("DELETE FROM users WHERE id = 'u9'", expectedRows: 1),
                        ])
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([users, testbed.order("o1").discardingValue])
                    }
                    #expect(error?.branchError?.code == .unexpectedRows)
                    #expect(
                        error?.branchError?.message
                            == "statement 1: expected 1 rows, got 0")
                    // The first error is reported, not those that follow from it.
                    let both = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("DELETE FROM users", expectedRows: 1),
                            SQLStatement("INSERT INTO nowhere VALUES (1)"),
                        ])
                    let first = await failure { () async throws(TransactionError) in
                        try await coordinator.run([both])
                    }
                    #expect(first?.branchError?.code == .unexpectedRows)
                    #expect(first?.branchError?.statement == 0)
                    let batch = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute([
                            SQLStatement("DELETE FROM users", expectedRows: 3)
                        ])
                    }
                    let thrown = await failure { () async throws(TransactionError) in
                        try await coordinator.run([batch])
                    }
                    #expect(thrown?.branchError?.code == .unexpectedRows)
                    let bounded = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("DELETE FROM users", expectedRows: ...10),
                            SQLStatement("DELETE FROM users", expectedRows: 1...),
                        ])
                    let missed = await failure { () async throws(TransactionError) in
                        try await coordinator.run([bounded])
                    }
                    #expect(
                        missed?.branchError?.message
                            == "statement 1: expected at least 1 rows, got 0")
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `rejects a forbidden statement before sending anything`()
            async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let users = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("INSERT INTO users VALUES ('u1')"),
                            SQLStatement("COMMIT"),
                        ])
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.order("o1").discardingValue, users])
                    }
                    guard case .refused(let refusal) = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    #expect(refusal.code == .invalid)
                    #expect(refusal.description.hasPrefix("participant 1, statement 1: "))
                    let batch = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute([
                            SQLStatement("INSERT INTO users VALUES ('u1')"),
                            SQLStatement("SELECT $1::int"),
                        ])
                    }
                    let thrown = await failure { () async throws(TransactionError) in
                        try await coordinator.run([batch])
                    }
                    #expect(thrown?.branchError?.code == .unacceptableStatement)
                    #expect(thrown?.branchError?.statement == 1)
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `sends several statements together, in order`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let participant = Participant(testbed.usersDatabase) { tx in
                        let none = try await tx.execute([])
                        let counts = try await tx.execute([
                            SQLStatement("INSERT INTO users VALUES ('u1'), ('u2')"),
                            SQLStatement("UPDATE users SET name = $1", "Ada"),
                            SQLStatement("SELECT FROM users WHERE id = $1", "u2"),
                            SQLStatement("SET LOCAL lock_timeout = '1s'"),
                        ])
                        let more = try await tx.execute([
                            SQLStatement("DELETE FROM users WHERE id = 'u2'")
                        ])
                        return none + counts + more
                    }
                    let committed = try await coordinator.run([participant])
                    #expect(committed.value == [[2, 2, 1, 0, 1]])
                    try await testbed.expectQuiet(users: 1, orders: 0)
                }
            }
        }

        @Test func `runs no statement of a call after one that failed`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    // A sequence shows what ran, since it is not rolled back.
                    _ = try await testbed.users.psql("CREATE SEQUENCE steps")
                    let careless = Participant(testbed.usersDatabase) { tx in
                        do throws(BranchError) {
                            try await tx.execute([
                                SQLStatement("SELECT nextval('steps')"),
                                SQLStatement("INSERT INTO nowhere VALUES (1)"),
                                SQLStatement("SELECT nextval('steps')"),
                            ])
                        } catch {
                            #expect(error.code == .statementFailed)
                            #expect(error.statement == 1)
                            #expect(error.server?.sqlState == "42P01")
                        }
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([careless, testbed.user("u1").discardingValue])
                    }
                    guard case .branch(0, let cause) = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    #expect(cause.server?.sqlState == "42P01")
                    #expect(
                        try await testbed.users.psql("SELECT last_value, is_called FROM steps")
                            == "1|t")
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `limits the results of all statements of a call together`() async throws {
            try await withTestbed { testbed in
                var users = testbed.usersDatabase
                users.rowsMax = 10
                try await testbed.coordinate({ $0.databases[0] = users }) { coordinator in
                    let greedy = Participant(users) { tx in
                        try await tx.execute([
                            SQLStatement("SELECT generate_series(1, 6)"),
                            SQLStatement("SELECT generate_series(1, 6)"),
                        ])
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([greedy])
                    }
                    #expect(error?.branchError?.code == .resultTooLarge)
                    let modest = Participant(users) { tx in
                        try await tx.execute("SELECT generate_series(1, 6)")
                            + tx.execute("SELECT generate_series(1, 6)")
                    }
                    let sums = try await coordinator.run([modest]).value
                    #expect(sums == [12])
                }
            }
        }

        @Test func `a read-only participant of statements cannot write`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let writer = Participant(
                        testbed.usersDatabase, isReadOnly: true,
                        statements: [SQLStatement("INSERT INTO users VALUES ('u1')")])
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([writer, testbed.order("o1").discardingValue])
                    }
                    #expect(error?.branchError?.server?.sqlState == "25006")
                    let reader = Participant(
                        testbed.usersDatabase, isReadOnly: true,
                        statements: [SQLStatement("SELECT FROM users", expectedRows: 0)])
                    _ = try await coordinator.run([reader, testbed.order("o1").discardingValue])
                    try await testbed.expectQuiet(users: 0, orders: 1)
                }
            }
        }

        @Test func `an error holds every field that PostgreSQL reported`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await testbed.users.psql(
                        """
                        CREATE FUNCTION complain() RETURNS int LANGUAGE plpgsql AS $$
                        BEGIN
                            RAISE EXCEPTION USING MESSAGE = 'no', DETAIL = 'not here',
                                HINT = 'elsewhere', SCHEMA = 's', TABLE = 't', COLUMN = 'c',
                                CONSTRAINT = 'k', ERRCODE = 'T0001';
                        END $$
                        """)
                    func said(_ sql: String) async -> ServerError? {
                        let users = Participant(
                            testbed.usersDatabase, statements: [SQLStatement(sql)])
                        let error = await failure { () async throws(TransactionError) in
                            try await coordinator.run([users, testbed.order("o1").discardingValue])
                        }
                        return error?.branchError?.server
                    }
                    let raised = try #require(await said("SELECT complain()"))
                    #expect(raised.sqlState == "T0001" && raised.message == "no")
                    #expect(raised.detail == "not here" && raised.hint == "elsewhere")
                    #expect(raised.schema == "s" && raised.table == "t" && raised.column == "c")
                    #expect(raised.constraint == "k" && raised.position == nil)
                    let context = "PL/pgSQL function complain() line 3 at RAISE"
                    #expect(raised.context == context)
                    let wrong = try #require(await said("SELECT nothing FROM users"))
                    #expect(wrong.position == 8 && wrong.context == nil)
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `reports the name of a deferred constraint that fails at PREPARE`() async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await testbed.users.psql(
                        """
                        ALTER TABLE users ADD CONSTRAINT names_differ UNIQUE (name)
                            DEFERRABLE INITIALLY DEFERRED
                        """)
                    let users = Participant(
                        testbed.usersDatabase,
                        statements: [
                            SQLStatement("INSERT INTO users VALUES ('a', 'x'), ('b', 'x')")
                        ])
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([users, testbed.order("o1").discardingValue])
                    }
                    #expect(error?.branchError?.code == .constraintAtPrepare)
                    #expect(error?.branchError?.server?.constraint == "names_differ")
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }
    }
}
