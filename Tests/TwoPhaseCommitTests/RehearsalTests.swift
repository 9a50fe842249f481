import PostgresClusters
import Testing
import TwoPhaseCommit
import TwoPhaseCommitTesting

extension LibraryTests {
    @Suite("Rehearsals of a program")
    struct RehearsalTests {
        @Test("each point pauses, and the databases show where", arguments: [true, false])
        func pauses(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                let points = ControlPoints()
                let coordinator = Coordinator(testbed.rehearsal(), controlPoints: points)
                for (number, point) in ControlPoint.allCases.enumerated() {
                    let pause = await points.pause(at: point, in: testbed.ordersDatabase)
                    async let committed = coordinator.run([
                        testbed.user("u\(number)"), testbed.order("o\(number)"),
                    ])
                    let transaction = try await pause.reached(within: patience)
                    let isOfOne = [.working, .prepared, .finishing, .finished].contains(point)
                    #expect(transaction.database == (isOfOne ? "orders" : nil))
                    let isPrepared = [.prepared, .deciding, .decided, .finishing].contains(point)
                    if point != .accepted {
                        #expect(
                            try await Testbed.preparedCount(testbed.orders) == (isPrepared ? 1 : 0),
                            "\(point)")
                    }
                    let isCommitted = [.finished, .recording].contains(point)
                    #expect(
                        try await testbed.orders.psql("SELECT count(*) FROM orders")
                            == "\(isCommitted ? number + 1 : number)", "\(point)")
                    await pause.release()
                    #expect(try await committed.value == [1, 1])
                    #expect(await pause.transactions == [])
                }
                await coordinator.shutdown()
                try await testbed.expectQuiet(users: 8, orders: 8)
            }
        }

        @Test("one of two transactions is paused, and released by itself")
        func one() async throws {
            try await withTestbed(log: false) { testbed in
                let points = ControlPoints()
                let coordinator = Coordinator(testbed.rehearsal(), controlPoints: points)
                let pause = await points.pause(at: .decided, transactions: 1)
                async let first = coordinator.run([testbed.user("u1"), testbed.order("o1")])
                let transaction = try await pause.reached(within: patience)
                let second = try await coordinator.run([testbed.user("u2"), testbed.order("o2")])
                #expect(second.id != transaction.id)
                await pause.release(transaction)
                #expect(try await first.id == transaction.id)
                await #expect(throws: NotReached.self) {
                    try await points.pause(at: .working).reached(within: .milliseconds(1))
                }
                await coordinator.shutdown()
                try await testbed.expectQuiet(users: 2, orders: 2)
            }
        }

        @Test("a lost confirmation is an unknown outcome, which the status resolves")
        func unknown() async throws {
            try await withTestbed { testbed in
                let points = ControlPoints()
                var configuration = testbed.rehearsal()
                configuration.finishWait = .milliseconds(200)
                let coordinator = Coordinator(configuration, controlPoints: points)
                let fault = await points.fail(at: .decided, with: .disconnect)
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([testbed.user("u"), testbed.order("o")])
                }
                try await fault.happened(within: patience)
                guard case .unknown(let unknown) = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                await fault.remove()
                try await until("its outcome is known") {
                    try await coordinator.status(of: unknown.id) == .committed
                }
                await coordinator.shutdown()
                try await testbed.expectQuiet(users: 1, orders: 1)
            }
        }

        @Test(
            "the next incarnation finishes what a crash has left",
            arguments: [(ControlPoint.deciding, TransactionStatus.aborted), (.decided, .committed)])
        func crash(point: ControlPoint, status: TransactionStatus) async throws {
            try await withTestbed { testbed in
                let points = ControlPoints()
                var configuration = testbed.rehearsal()
                configuration.finishWait = .milliseconds(200)
                let first = Coordinator(configuration, controlPoints: points)
                await points.fail(at: point, with: .crash)
                let error = await failure { () async throws(TransactionError) in
                    try await first.run([testbed.user("u"), testbed.order("o")])
                }
                guard case .unknown(let unknown) = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(try await Testbed.preparedCount(testbed.orders) == 1)
                await first.shutdown()
                #expect(try await Testbed.preparedCount(testbed.orders) == 1)
                try await Coordinator.with(configuration) { next in
                    try await until("it is finished") {
                        try await next.status(of: unknown.id) == status
                    }
                }
                let count = status == .committed ? 1 : 0
                try await testbed.expectQuiet(users: count, orders: count)
            }
        }

        @Test("a branch that another program rolls back is a heuristic outcome")
        func heuristicRollback() async throws {
            try await withTestbed { testbed in
                let points = ControlPoints()
                let coordinator = Coordinator(testbed.rehearsal(), controlPoints: points)
                await points.fail(
                    at: .decided, with: .rollBackBranch, in: testbed.ordersDatabase)
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([testbed.user("u"), testbed.order("o")])
                }
                guard case .committed(let part) = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(part.unconfirmed.map(\.database) == ["orders"])
                #expect(!part.isBeingRetried)
                let status = try await coordinator.status(of: part.id)
                #expect(status == .needsOperator)
                await coordinator.shutdown()
                #expect(try await testbed.users.psql("SELECT count(*) FROM users") == "1")
                #expect(try await testbed.orders.psql("SELECT count(*) FROM orders") == "0")
            }
        }
    }
}

extension Testbed {
    /// A configuration whose transactions wait for a test as long as that may take.
    fileprivate func rehearsal() -> Coordinator.Configuration {
        var configuration = configuration()
        configuration.finishWait = patience
        return configuration
    }
}
