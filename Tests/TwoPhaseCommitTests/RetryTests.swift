import EventLoop
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("A run that lost to other transactions")
    struct RetryTests {
        /// Fails with the SQLSTATE before the call of this number; a sequence counts on after an abort.
        private static func losing(until number: Int, _ sqlState: String = "40001") -> String {
            "DO $$BEGIN IF nextval('calls') < \(number) THEN RAISE 'lost' USING ERRCODE = '\(sqlState)'; "
                + "END IF; END$$"
        }

        private static func withCalls(
            log: Bool, _ body: (Testbed, Coordinator) async throws -> Void
        ) async throws {
            try await withTestbed(log: log) { testbed in
                _ = try await testbed.users.psql("CREATE SEQUENCE calls")
                try await testbed.coordinate { try await body(testbed, $0) }
            }
        }

        @Test(
            "runs statements again, as long as none has a closure",
            arguments: [true, false], ["40001", "40P01"])
        func repeatsStatements(log: Bool, sqlState: String) async throws {
            try await Self.withCalls(log: log) { testbed, coordinator in
                let user = Participant(
                    testbed.usersDatabase,
                    statements: [
                        SQLStatement(Self.losing(until: 4, sqlState)),
                        SQLStatement("INSERT INTO users VALUES ('u', 'Ada')"),
                    ])
                let order = Participant(
                    testbed.ordersDatabase,
                    statements: [SQLStatement("INSERT INTO orders VALUES ('o', 'u', 1)")])
                let committed = try await coordinator.run(user, order)
                #expect(try await coordinator.status(of: committed.id) == .committed)
                try await testbed.expectQuiet(users: 1, orders: 1)
                #expect(try await testbed.users.psql("SELECT last_value FROM calls") == "4")
            }
        }

        @Test("does not run again if it may not", arguments: [0, nil, 1] as [Int?])
        func keepsToRetries(retries: Int?) async throws {
            try await Self.withCalls(log: false) { testbed, coordinator in
                let calls = Lock(0)
                let user = Participant(testbed.usersDatabase) { tx in
                    calls.withLock { $0 += 1 }
                    try await tx.execute(Self.losing(until: 9))
                }
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([user], retries: retries)
                }
                guard case .aborted(let aborted)? = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(aborted.branchError?.server?.sqlState == "40001")
                #expect(calls.withLock { $0 } == (retries ?? 0) + 1)
            }
        }

        @Test(
            "calls closures again if it may, and returns what the run that committed returned",
            arguments: [true, false])
        func repeatsClosures(log: Bool) async throws {
            try await Self.withCalls(log: log) { testbed, coordinator in
                let calls = Lock((users: 0, orders: 0))
                let user = Participant(testbed.usersDatabase) { tx in
                    let call = calls.withLock {
                        $0.users += 1
                        return $0.users
                    }
                    try await tx.execute(Self.losing(until: 3))
                    return call
                }
                let order = Participant(testbed.ordersDatabase) { tx in
                    let call = calls.withLock {
                        $0.orders += 1
                        return $0.orders
                    }
                    try await tx.execute("INSERT INTO orders VALUES ('o', 'u', $1)", call)
                    return call
                }
                let committed = try await coordinator.run(user, order, retries: 3)
                #expect(committed.value.0 == 3)
                #expect(committed.value.1 == calls.withLock { $0.orders })
                try await testbed.expectQuiet(users: 0, orders: 1)
                #expect(
                    try await testbed.orders.psql("SELECT amount FROM orders")
                        == "\(committed.value.1)")
            }
        }

        @Test("never calls a closure while an earlier call of it still runs")
        func callsOneAfterTheOther() async throws {
            try await Self.withCalls(log: false) { testbed, coordinator in
                let running = Lock((now: 0, most: 0, calls: 0))
                let hasBegun = Lock(false)
                let slow = Participant(testbed.ordersDatabase) { tx in
                    running.withLock {
                        $0.now += 1
                        $0.calls += 1
                        $0.most = max($0.most, $0.now)
                    }
                    hasBegun.withLock { $0 = true }
                    // It notices late that its run is aborted.
                    while try await testbed.users.psql("SELECT last_value FROM calls") < "2" {
                        await Task.yield()
                    }
                    running.withLock { $0.now -= 1 }
                    try Task.checkCancellation()
                }
                let losing = Participant(testbed.usersDatabase) { tx in
                    while !hasBegun.withLock({ $0 }) { await Task.yield() }
                    try await tx.execute(Self.losing(until: 2))
                }
                _ = try await coordinator.run(slow, losing, retries: 3)
                #expect(running.withLock { $0.most } == 1)
                #expect(running.withLock { $0.calls } == 2)
            }
        }

        @Test("ends with the error of its last run")
        func reportsLastError() async throws {
            struct Later: Error {}
            try await Self.withCalls(log: false) { testbed, coordinator in
                let calls = Lock(0)
                let user = Participant(testbed.usersDatabase) { tx in
                    try await tx.execute(Self.losing(until: 2))
                }
                let order = Participant(testbed.ordersDatabase) { tx in
                    let call = calls.withLock {
                        $0 += 1
                        return $0
                    }
                    if call > 1 { throw Later() }
                    while !Task.isCancelled { await Task.yield() }
                }
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run(user, order, retries: 3)
                }
                guard case .aborted(let aborted)? = error,
                    case .work(participant: 1, let thrown) = aborted.cause
                else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(thrown is Later)
            }
        }

        @Test("is refused with a negative number of retries")
        func refusesNegativeRetries() async throws {
            try await Self.withCalls(log: false) { testbed, coordinator in
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([testbed.user("u")], retries: -1)
                }
                guard case .aborted(let aborted)? = error,
                    case .refused(let refusal) = aborted.cause
                else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(refusal.code == .invalid)
                #expect(refusal.description == "expected 0 or more retries, got -1")
            }
        }
    }
}
