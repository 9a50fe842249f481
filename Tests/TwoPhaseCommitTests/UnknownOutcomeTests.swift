import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Unknown outcomes")
    struct UnknownOutcomeTests {
        @Test func `the status resolves an unknown outcome when the state database returns`()
            async throws
        {
            try await withTestbed { testbed in
                try await testbed.coordinate({ $0.finishWait = .seconds(1) }) { coordinator in
                    // Both branches use the other server, so that only the log is lost.
                    let slow = Participant(testbed.ordersDatabase) { tx in
                        try await tx.execute("INSERT INTO orders VALUES ('o1')")
                        try await until("the other branch is prepared and the row is there") {
                            let rows = try await testbed.users.psql(
                                "SELECT count(*) FROM tandem.transactions", database: "state")
                            let prepared = try await Testbed.preparedCount(testbed.orders)
                            return rows == "1" && prepared == 1
                        }
                        await testbed.users.kill()
                        return 1
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([slow, testbed.order("o2")])
                    }
                    guard case .unknown(let unknown) = error else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    try await testbed.users.restart()
                    var end: TransactionStatus?
                    try await until("its end is known") {
                        // The state database may still be starting.
                        end = try? await coordinator.status(of: unknown.id)
                        return end == .committed || end == .aborted
                    }
                    try await testbed.expectQuiet(users: 0, orders: end == .committed ? 2 : 0)
                }
            }
        }
    }
}
