import EventLoop
import Logging
import MetricsTestKit
import PostgresClusters
import ServiceLifecycle
import Testing

@testable import TwoPhaseCommit

extension LibraryTests {
    @Suite("A coordinator as part of a program")
    struct ServiceTests {
        @Test func `a graceful shutdown stops the service`() async throws {
            try await withTestbed { testbed in
                let coordinator = Coordinator(testbed.configuration())
                let group = ServiceGroup(
                    services: [coordinator], logger: Logger(label: "test"))
                let service = Task { try await group.run() }
                // From any executor, here the main actor's.
                let outcome = try await Task { @MainActor in
                    try await coordinator.run([testbed.user("u1"), testbed.order("o1")])
                }.value
                #expect(outcome.value == [1, 1])
                await group.triggerGracefulShutdown()
                try await service.value
                try await testbed.expectQuiet(users: 1, orders: 1)
                #expect(
                    try await testbed.users.psql(
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tandem-%'"
                    )
                        == "0")
            }
        }

        @Test func `cancelling its task stops the service`() async throws {
            try await withTestbed { testbed in
                let coordinator = Coordinator(testbed.configuration())
                let service = Task { try await coordinator.run() }
                _ = try await coordinator.run([testbed.user("u1"), testbed.order("o1")])
                service.cancel()
                try await service.value
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([testbed.user("u2")])
                }
                #expect(error?.description == "aborted: the coordinator is shut down")
                try await testbed.expectQuiet(users: 1, orders: 1)
            }
        }

        @Test(
            "a shutdown whose grace is over leaves nobody without an answer",
            arguments: [true, false])
        func shutdownMeanwhile(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate({ $0.shutdownGrace = .zero }) { coordinator in
                    let isWorking = Gate()
                    let mayEnd = Gate()
                    let user = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('u')")
                        await isWorking.open()
                        await mayEnd.pass()
                        return 1
                    }
                    let run = Task {
                        await failure { () async throws(TransactionError) in
                            try await coordinator.run(
                                [testbed.order("o"), user], within: .seconds(3600))
                        }
                    }
                    await isWorking.pass()
                    try await until("the order is prepared") {
                        try await Testbed.preparedCount(testbed.orders) == 1
                    }
                    await coordinator.shutdown()
                    #expect(
                        await run.value?.description
                            == "aborted: its rollback was requested, or its coordinator is shutting down"
                    )
                    await mayEnd.open()
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `a shutdown refuses runs that wait for a session`()
            async throws
        {
            try await withTestbed(log: false) { testbed in
                var users = testbed.usersDatabase
                users.connections = 1
                try await testbed.coordinate({
                    $0.databases[0] = users
                    $0.shutdownGrace = .zero
                }) { coordinator in
                    let (isWorking, mayEnd) = (Gate(), Gate())
                    let holder = Participant(users) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('u1')")
                        await isWorking.open()
                        await mayEnd.pass()
                    }
                    func startRun(_ participant: Participant<Void>) -> Task<
                        TransactionError?, Never
                    > {
                        Task {
                            await failure { () async throws(TransactionError) in
                                try await coordinator.run(
                                    [participant], within: .seconds(3600))
                            }
                        }
                    }
                    let first = startRun(holder)
                    await isWorking.pass()
                    let isBegun = Lock(false)
                    let second = startRun(
                        Participant(users) { _ in isBegun.withLock { $0 = true } })
                    // It waits as long as the first works.
                    await coordinator.shutdown()
                    for run in [first, second] {
                        // It starts to wait before the shutdown, or is refused after it.
                        let reason = await run.value?.description
                        let isShutdown = ["shut down", "shutting down"].contains {
                            reason?.hasSuffix($0) == true
                        }
                        #expect(isShutdown, "\(reason ?? "nothing")")
                    }
                    await mayEnd.open()
                    #expect(!isBegun.withLock { $0 })
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `the start rejects an invalid configuration`() async throws {
            let one = Database("one", at: "host=127.0.0.1")
            let state = LogLocation.StateDatabase(at: "host=127.0.0.1 nonsense", replica: "r")
            for configuration in [
                Coordinator.Configuration(databases: [one, one], log: .logless),
                Coordinator.Configuration(
                    databases: [Database("two", at: "port=x")], log: .logless),
                Coordinator.Configuration(databases: [one], log: .database(state)),
            ] {
                let error = await #expect(throws: CoordinatorError.self) {
                    try await Coordinator(configuration).start()
                }
                #expect(error?.code == .configuration)
            }
        }

        @Test
        func `the start rejects an invalid number or time by its name`()
            async throws
        {
            let wrongs: [(String, (inout Database, inout LogLocation.StateDatabase) -> Void)] = [
                ("connections of database \"one\": expected 1", { one, _ in one.connections = 0 }),
                ("contendedConnectionsMax", { one, _ in one.contendedConnectionsMax = 0 }),
                ("finishingConnections", { one, _ in one.finishingConnections = 0 }),
                ("preparedTransactionsMax", { one, _ in one.preparedTransactionsMax = 0 }),
                ("connectTimeout", { one, _ in one.connectTimeout = .zero }),
                ("statementTimeout", { one, _ in one.statementTimeout = .seconds(Int64.max) }),
                ("lockTimeout", { one, _ in one.lockTimeout = .seconds(-1) }),
                ("timeout of the state database", { _, state in state.timeout = .zero }),
                ("lease", { _, state in state.lease = .seconds(Int64.max) }),
                ("lease", { _, state in state.lease = .milliseconds(999) }),
                ("retention", { _, state in state.retention = .seconds(Int64.max) }),
            ]
            for (what, spoil) in wrongs {
                var one = Database("one", at: "host=127.0.0.1")
                var state = LogLocation.StateDatabase(at: "host=127.0.0.1", replica: "r")
                spoil(&one, &state)
                let coordinator = Coordinator(
                    Coordinator.Configuration(databases: [one], log: .database(state)))
                let error = await #expect(throws: CoordinatorError.self) {
                    try await coordinator.start()
                }
                #expect(error?.code == .configuration)
                #expect(error?.description.hasPrefix(what) == true, "\(String(describing: error))")
            }
        }

        @Test func `a blocked start delays neither a run's timeout nor a shutdown`()
            async throws
        {
            try await withTestbed { testbed in
                // The first start creates the schema.
                try await testbed.coordinate { _ in }
                let lock = try await TableLock.takeMigrations(at: testbed.stateConnection)
                func waiting(_ count: Int) async throws {
                    try await until("\(count) wait for the lock") {
                        try await testbed.users.psql(
                            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                        ) == "\(count)"
                    }
                }
                let coordinator = Coordinator(testbed.configuration())
                let late = await failure { () async throws(TransactionError) in
                    try await coordinator.run([testbed.user("u")], within: .milliseconds(1))
                }
                #expect(late?.description == "aborted: the timeout passed before the decision")
                try await waiting(1)
                let run = Task {
                    await failure { () async throws(TransactionError) in
                        try await coordinator.run([testbed.user("u")], within: .seconds(3600))
                    }
                }
                run.cancel()
                #expect(await run.value?.description == "aborted: the task was cancelled")
                let start = Task { try await coordinator.start() }
                start.cancel()
                let error = await #expect(throws: CoordinatorError.self) { try await start.value }
                #expect(error?.code == .cancelled)
                await coordinator.shutdown()
                let group = ServiceGroup(
                    services: [Coordinator(testbed.configuration())],
                    logger: Logger(label: "test"))
                let service = Task { try await group.run() }
                // PostgreSQL does not notice a lost client while its session waits.
                try await waiting(2)
                await group.triggerGracefulShutdown()
                try await service.value
                try await lock.release()
                try await testbed.coordinate { _ = try await $0.run([testbed.user("u")]) }
                try await testbed.expectQuiet(users: 1, orders: 0)
            }
        }

        @Test func `uses the host that accepts writes`() async throws {
            try await withTestbed { testbed in
                _ = try await testbed.orders.psql("CREATE DATABASE state")
                try await testbed.orders.becomeStandby()
                let hosts =
                    "host=127.0.0.1,127.0.0.1 port=\(testbed.orders.port),\(testbed.users.port) user=postgres"
                var users = testbed.usersDatabase
                users.connectionString = "\(hosts) dbname=postgres"
                var state = LogLocation.StateDatabase(
                    at: "\(hosts) dbname=state", replica: "library-1")
                state.timeout = .seconds(300)
                for log in [LogLocation.database(state), .logless] {
                    var configuration = Coordinator.Configuration(databases: [users], log: log)
                    configuration.allowsFsyncOff = true
                    try await Coordinator.with(configuration) { coordinator in
                        let inserting = Participant(users) { tx in
                            try await tx.execute(
                                "INSERT INTO users SELECT 'u' || count(*) FROM users")
                        }
                        let counts = try await coordinator.run([inserting]).value
                        #expect(counts == [1])
                    }
                }
                #expect(try await testbed.users.psql("SELECT count(*) FROM users") == "2")
            }
        }

        @Test func `cancelling one service does not supersede another`()
            async throws
        {
            try await withTestbed { testbed in
                let coordinator = Coordinator(testbed.configuration())
                let services = (0..<2).map { _ in Task { try await coordinator.run() } }
                _ = try await coordinator.run([testbed.user("u")])
                for service in services {
                    service.cancel()
                    try await service.value
                }
                try await testbed.expectQuiet(users: 1, orders: 0)
            }
        }

        @Test func `a second coordinator with the same name supersedes the first`() async throws {
            try await withTestbed { testbed in
                let first = Coordinator(testbed.configuration())
                let service = Task { try await first.run() }
                _ = try await first.run([testbed.user("u1"), testbed.order("o1")])
                try await Coordinator.with(testbed.configuration()) { second in
                    _ = try await second.run([testbed.user("u2"), testbed.order("o2")])
                    let error = await #expect(throws: CoordinatorError.self) {
                        try await service.value
                    }
                    #expect(error?.code == .superseded)
                }
                try await testbed.expectQuiet(users: 2, orders: 2)
            }
        }

        @Test func `a start fails while the state database is down, and succeeds later`()
            async throws
        {
            try await withTestbed { testbed in
                await testbed.users.stop(.immediate)
                let coordinator = Coordinator(testbed.configuration())
                let error = await #expect(throws: CoordinatorError.self) {
                    try await coordinator.start()
                }
                #expect(error?.code == .stateDatabase)
                try await testbed.users.restart()
                _ = try await coordinator.run([testbed.user("u1"), testbed.order("o1")])
                await coordinator.shutdown()
                try await testbed.expectQuiet(users: 1, orders: 1)
            }
        }

        @Test func `reports outcomes, refusals and gauges to the program's metrics`()
            async throws
        {
            try await withTestbed { testbed in
                let kit = TestMetrics()
                let configuration = testbed.configuration()
                let coordinator = Coordinator(
                    configuration, loop: .shared, clock: ContinuousClock(),
                    random: { .random(in: 0 ... .max) },
                    metrics: LibraryMetrics(configuration, factory: kit))
                _ = try await coordinator.run([testbed.user("u1"), testbed.order("o1")])
                _ = await failure { () async throws(TransactionError) in
                    try await coordinator.run([testbed.user("u2")], retries: -1)
                }
                await coordinator.shutdown()
                let committed = try kit.expectCounter(
                    "tandem_transactions_total",
                    [("outcome", "committed"), ("commit_mode", "two_phase")])
                #expect(committed.totalValue == 1)
                let refused = try kit.expectCounter(
                    "tandem_refusals_total", [("reason", "invalid")])
                #expect(refused.totalValue == 1)
                for phase in ["admission", "work", "decision", "finish"] {
                    let timer = try kit.expectTimer(
                        "tandem_phase_duration_seconds", [("phase", phase)])
                    #expect(timer.values.count == 1)
                }
                let flushes = try kit.expectTimer("tandem_log_flush_duration_seconds")
                #expect(!flushes.values.isEmpty)
                let up = try kit.expectGauge("tandem_state_database_up")
                #expect(up.lastValue == 1)
            }
        }

        @Test func `descriptions hide passwords`() {
            let database = Database("users", at: "host=h password=secret")
            let state = LogLocation.StateDatabase(at: "host=h password=secret", replica: "r")
            for shown in ["\(database)", "\(state)", String(reflecting: [database])] {
                #expect(!shown.contains("secret"))
            }
            var dumped = ""
            dump(
                Coordinator.Configuration(databases: [database], log: .database(state)), to: &dumped
            )
            #expect(!dumped.contains("secret"))
        }
    }
}
