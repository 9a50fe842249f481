import EventLoop
import PostgresClusters
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Participants of one run that block each other")
    struct BlockedTests {
        private static let sql = "INSERT INTO users VALUES ('u', 'x')"

        @Test("a blocked closure gets an error and the run aborts", arguments: [true, false])
        func closures(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                let seen = Lock<[BranchError]>([])
                let participant = Participant(Self.patient(testbed)) { tx in
                    do {
                        try await tx.execute("INSERT INTO users VALUES ('u', 'x')")
                    } catch let error as BranchError {
                        seen.withLock { $0.append(error) }
                        throw error
                    }
                }
                try await expectBlocked(testbed, participant)
                #expect(seen.withLock { $0.map(\.code) } == [.blockedByItself])
            }
        }

        @Test("statements that wait for each other abort the run", arguments: [true, false])
        func statements(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await expectBlocked(
                    testbed,
                    Participant(Self.patient(testbed), statements: [SQLStatement(Self.sql)]))
            }
        }

        /// PostgreSQL itself has no time limit here.
        private static func patient(_ testbed: Testbed) -> Database {
            var users = testbed.usersDatabase
            users.lockTimeout = .zero
            return users
        }

        private func expectBlocked<Value>(
            _ testbed: Testbed, _ participant: Participant<Value>
        ) async throws {
            try await testbed.coordinate({
                $0.databases = [Self.patient(testbed), testbed.ordersDatabase]
            }) { coordinator in
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([participant, participant])
                }
                guard case .aborted(let aborted)? = error else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                #expect(aborted.branchError?.code == .blockedByItself)
                #expect(aborted.branchError?.statement == 0)
                #expect(aborted.branchError?.message.contains("of the same transaction") == true)
                try await testbed.expectQuiet(users: 0, orders: 0)
            }
        }
    }
}
