import FoundationEssentials
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Runs commit everything or nothing")
    struct RunTests {
        struct User: Codable, Sendable, Equatable {
            let id: String
            let name: String?
        }

        struct NoSuchUser: Error, Equatable {}

        @Test func `writes both databases and returns values of all types`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await coordinator.run([testbed.user("u1"), testbed.order("o1")])
                    let reader = Participant(testbed.usersDatabase) { tx in
                        let user = try await tx.query(
                            "SELECT id, name FROM users WHERE id = $1", "u1", as: User.self)
                        let pairs = try await tx.query(
                            "SELECT count(*), NULL::text FROM users", as: (Int, String?).self)
                        return (user, pairs[0].0, pairs[0].1)
                    }
                    let writer = Participant(testbed.ordersDatabase) { tx in
                        try await tx.query(
                            "INSERT INTO orders VALUES ($1, $2, $3) RETURNING amount", "o2", "u1",
                            nil, as: Double?.self)
                    }
                    let committed = try await coordinator.run(reader, writer)
                    let ((found, count, nothing), amounts) = committed.value
                    #expect(found == [User(id: "u1", name: "Ada")])
                    #expect(count == 1)
                    #expect(nothing == nil)
                    #expect(amounts == [nil])
                    #expect(committed.unconfirmed == [])
                    #expect(try await coordinator.status(of: committed.id) == .committed)
                    #expect(try await coordinator.status(of: TransactionID("nonsense")) == nil)
                    try await testbed.expectQuiet(users: 1, orders: 2)
                }
            }
        }

        @Test func `an error in one database rolls back the other and is the cause`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    _ = try await coordinator.run([testbed.user("u1"), testbed.order("o1")])
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.user("u2"), testbed.order("o1")])
                    }
                    #expect(error?.branchError?.server?.sqlState == "23505")
                    #expect(error?.branchError?.server?.constraint == "orders_pkey")
                    let guarded = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('u3')")
                        throw NoSuchUser()
                    }
                    let thrown = await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.order("o2").discardingValue, guarded])
                    }
                    guard case .work(1, let cause as NoSuchUser) = thrown?.aborted else {
                        Issue.record("\(String(describing: thrown))")
                        return
                    }
                    #expect(cause == NoSuchUser())
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test func `a closure that catches a statement's error cannot vote yes`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    for sql in ["INSERT INTO nowhere VALUES (1)", "COMMIT", "SELECT 1; SELECT 2"] {
                        let careless = Participant(testbed.usersDatabase) { tx in
                            try await tx.execute("INSERT INTO users VALUES ('lost')")
                            do {
                                try await tx.execute(sql)
                            } catch {
                                // The closure ignores the error, which is tested here.
                            }
                            _ = try? await tx.execute("INSERT INTO users VALUES ('lost too')")
                            return 1
                        }
                        let error = await failure { () async throws(TransactionError) in
                            try await coordinator.run([careless, testbed.order("o1")])
                        }
                        guard case .branch(0, let cause) = error?.aborted else {
                            Issue.record("\(sql): \(String(describing: error))")
                            continue
                        }
                        #expect(
                            cause.code
                                == (sql.hasPrefix("INSERT")
                                    ? .statementFailed : .unacceptableStatement))
                        // PostgreSQL's message, although the closure caught the error.
                        #expect(
                            cause.server?.message
                                == (sql.hasPrefix("INSERT")
                                    ? "relation \"nowhere\" does not exist" : nil))
                    }
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `values make the round trip unchanged`() async throws {
            try await withTestbed(log: false) { testbed in
                try await testbed.coordinate { coordinator in
                    let date = Date(timeIntervalSince1970: 1_764_000_000.5)
                    let uuid = UUID()
                    let user = User(id: "u", name: nil)
                    let values = Participant(testbed.usersDatabase) { tx in
                        let decimal = try await tx.query(
                            "SELECT $1::numeric", Decimal(string: "42.50"), as: Decimal.self)
                        let dates = try await tx.query(
                            "SELECT $1::timestamptz", date, as: Date.self)
                        let data = try await tx.query(
                            "SELECT $1::bytea", Data([0, 255]), as: Data.self)
                        let many = try await tx.query(
                            "SELECT $1::uuid, $2::bigint, $3::boolean, $4::double precision", uuid,
                            Int64.min, true, 0.1, as: (UUID, Int64, Bool, Double).self)
                        let json = try await tx.query(
                            "SELECT $1::jsonb AS value, 1 AS other", JSON(user))
                        let read: JSON<User> = try json[0].decode("value")
                        return (decimal, dates, data, many[0], read.value)
                    }
                    let (decimal, dates, data, many, read) =
                        try await coordinator.run([values]).value[0]
                    #expect(decimal == [Decimal(string: "42.50")])
                    #expect(dates == [date])
                    #expect(data == [Data([0, 255])])
                    #expect(many == (uuid, Int64.min, true, 0.1))
                    #expect(read == user)
                }
            }
        }

        @Test func `reports the kind of a failed PREPARE`() async throws {
            try await withTestbed { testbed in
                _ = try await testbed.users.psql(
                    """
                    CREATE TABLE kin (id int PRIMARY KEY,
                        parent int REFERENCES kin DEFERRABLE INITIALLY DEFERRED)
                    """)
                try await testbed.coordinate { coordinator in
                    for (sql, code) in [
                        ("INSERT INTO kin VALUES (1, 2)", BranchError.Code.constraintAtPrepare),
                        ("CREATE TEMPORARY TABLE brief (id int)", .cannotBePrepared),
                    ] {
                        let refused = Participant(testbed.usersDatabase) { tx in
                            try await tx.execute(sql)
                        }
                        let error = await failure { () async throws(TransactionError) in
                            try await coordinator.run([refused, testbed.order("o1")])
                        }
                        guard case .branch(0, let cause) = error?.aborted else {
                            Issue.record("\(sql): \(String(describing: error))")
                            continue
                        }
                        #expect(cause.code == code)
                        #expect(
                            cause.server?.constraint
                                == (code == .constraintAtPrepare ? "kin_parent_fkey" : nil))
                        #expect(cause.server?.message.isEmpty == false)
                    }
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `a journal decides, and a read-only participant is not prepared`()
            async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate({ $0.databases[0].keepsJournal = true }) {
                    coordinator in
                    let outcome = try await coordinator.run([
                        testbed.user("u1"), testbed.order("o1"),
                    ])
                    #expect(try await coordinator.status(of: outcome.id) == .committed)
                    let reader = Participant(testbed.ordersDatabase, isReadOnly: true) { tx in
                        try await tx.query("SELECT id FROM orders", as: String.self)
                    }
                    let (ids, _) = try await coordinator.run(reader, testbed.user("u2")).value
                    #expect(ids == ["o1"])
                    let liar = Participant(testbed.ordersDatabase, isReadOnly: true) { tx in
                        try await tx.execute("INSERT INTO orders VALUES ('o2')")
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([liar, testbed.user("u3")])
                    }
                    #expect(error?.branchError?.server?.sqlState == "25006")
                    try await testbed.expectQuiet(users: 2, orders: 1)
                    // The first run is prepared everywhere if the journal has not been checked yet.
                    #expect(
                        try await testbed.users.psql(
                            """
                            SELECT count(*) >= 2 FROM tandem.transactions
                            WHERE 'journal' = ANY (commit_modes)
                            """, database: "state") == "t")
                }
            }
        }

        @Test func `closures run in parallel, or in turn until one fails`() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let here = Gate()
                    let there = Gate()
                    _ = try await coordinator.run(
                        Participant(testbed.usersDatabase) { _ in
                            await here.open()
                            await there.pass()
                        },
                        Participant(testbed.ordersDatabase) { _ in
                            await there.open()
                            await here.pass()
                        })
                    let cluster = testbed.users
                    let looking = Participant(testbed.ordersDatabase) { tx in
                        let prepared = try await Testbed.preparedCount(cluster)
                        try await tx.execute("INSERT INTO orders VALUES ('o1', 'u', $1)", prepared)
                        return prepared
                    }
                    let committed = try await coordinator.run(
                        [testbed.user("u1"), looking], order: .sequential)
                    #expect(committed.value == [1, 1])
                    let called = Gate()
                    let never = Participant(testbed.ordersDatabase) { _ in
                        await called.open()
                        Issue.record("the branch before it had failed")
                        return 0
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.user("u1"), never], order: .sequential)
                    }
                    #expect(error?.branchError?.server?.sqlState == "23505")
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test func `rejects a transaction used after its closure or left with a running statement`()
            async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    let kept = try await coordinator.run(
                        [Participant(testbed.usersDatabase) { tx in tx }]
                    ).value[0]
                    let late = await #expect(throws: BranchError.self) {
                        _ = try await kept.execute("SELECT 1")
                    }
                    #expect(late?.code == .transactionIsOver)
                    let hasty = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('lost')")
                        Task { try await tx.execute("SELECT pg_sleep(600)") }
                        let pid = testbed.users
                        try await until("the statement runs") {
                            try await pid.psql(
                                "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                            )
                                == "1"
                        }
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([hasty])
                    }
                    #expect(error?.branchError?.code == .statementStillRunning)
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `reports missing capacity before sending anything`()
            async throws
        {
            try await withTestbed(log: false) { testbed in
                try await testbed.coordinate { coordinator in
                    let stranger = Participant(
                        Database("stranger", at: testbed.users.connectionString())
                    ) { _ in 0 }
                    for participants in [[], [stranger]] {
                        let error = await failure { () async throws(TransactionError) in
                            try await coordinator.run(participants)
                        }
                        guard case .refused(let refusal) = error?.aborted else {
                            Issue.record("\(String(describing: error))")
                            continue
                        }
                        #expect(refusal.code == .invalid)
                    }
                    await coordinator.shutdown()
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.user("u1")])
                    }
                    guard case .refused(let refusal) = error?.aborted else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    #expect(refusal.code == .notRunning)
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }
    }
}
