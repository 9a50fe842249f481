import CommitProtocol
import PostgresClusters
import PostgresTransactions
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Branches that an operator ended by hand")
    struct OperatorTests {
        @Test(
            "a branch that was rolled back by hand is reported beside its committed sibling",
            arguments: [true, false])
        func rolledBackByHand(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate { coordinator in
                    let user = Participant(testbed.usersDatabase) { tx in
                        let count = try await tx.execute("INSERT INTO users VALUES ('u')")
                        try await until("the order is prepared") {
                            try await Testbed.preparedCount(testbed.orders) == 1
                        }
                        let gid = try await testbed.orders.psql("SELECT gid FROM pg_prepared_xacts")
                        _ = try await testbed.orders.psql("ROLLBACK PREPARED '\(gid)'")
                        return count
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([user, testbed.order("o")])
                    }
                    guard case .committed(let part) = error else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    #expect(!part.isBeingRetried)
                    #expect(part.unconfirmed.map(\.participant) == [1])
                    #expect(part.unconfirmed.first?.finding == "heuristicRollback")
                    let status = try await coordinator.status(of: part.id)
                    #expect(status == .needsOperator)
                    let users = try await testbed.users.psql("SELECT count(*) FROM users")
                    let orders = try await testbed.orders.psql("SELECT count(*) FROM orders")
                    #expect((users, orders) == ("1", "0"))
                }
            }
        }

        @Test("a branch committed by hand before an abort is never reported as aborted")
        func committedByHand() async throws {
            try await withTestbed { testbed in
                try await testbed.coordinate { coordinator in
                    struct No: Error {}
                    let user = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('u')")
                        try await until("the order is prepared") {
                            try await Testbed.preparedCount(testbed.orders) == 1
                        }
                        let gid = try await testbed.orders.psql("SELECT gid FROM pg_prepared_xacts")
                        _ = try await testbed.orders.psql("COMMIT PREPARED '\(gid)'")
                        throw No()
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([user, testbed.order("o").discardingValue])
                    }
                    guard case .unknown(let unknown) = error else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    let status = try await coordinator.status(of: unknown.id)
                    #expect(status == .needsOperator)
                }
            }
        }

        @Test(
            "tandem logless ends a whole transaction, that one alone, and either way",
            arguments: ["commit", "rollback"])
        func whole(verb: String) async throws {
            try await withTestbed(log: false) { testbed in
                let coordinator = LoglessName.newCoordinator(random: { .random(in: .min ... .max) })
                func gid(_ number: Int64, _ branch: Int) -> LoglessName {
                    LoglessName(
                        coordinator: coordinator,
                        transaction: GlobalTransactionID(number: number, salt: 7), branch: branch,
                        branchCount: 2)
                }
                func prepare(_ cluster: PostgresCluster, table: String, gid: String)
                    async throws
                {
                    _ = try await cluster.psql(
                        "BEGIN; INSERT INTO \(table) VALUES ('\(gid)'); PREPARE TRANSACTION '\(gid)'"
                    )
                }
                for number in 1...2 as ClosedRange<Int64> {
                    try await prepare(testbed.users, table: "users", gid: "\(gid(number, 0))")
                    try await prepare(testbed.orders, table: "orders", gid: "\(gid(number, 1))")
                }
                try await prepare(testbed.users, table: "users", gid: "somebody else")
                let listed = try await testbed.tandem(["logless", "list"])
                #expect(listed.status == .exited(1))
                #expect(listed.output.contains("\(gid(1, 0).group): 2 of 2 prepared"))
                #expect(listed.output.contains("all branches are here"))
                #expect(!listed.output.contains("somebody"))
                let ended = try await testbed.tandem(["logless", "resolve", gid(1, 0).group, verb])
                #expect(ended.succeeded)
                for (branch, cluster, table) in [
                    (0, testbed.users, "users"), (1, testbed.orders, "orders"),
                ] {
                    #expect(
                        try await cluster.psql("SELECT id FROM \(table)")
                            == (verb == "commit" ? "\(gid(1, branch))" : ""))
                }
                #expect(
                    try await testbed.orders.psql("SELECT gid FROM pg_prepared_xacts")
                        == "\(gid(2, 1))")
                #expect(try await Testbed.preparedCount(testbed.users) == 2)
                let again = try await testbed.tandem(["logless", "resolve", gid(1, 0).group, verb])
                #expect(!again.succeeded)
                // With an unreachable database nothing is known.
                for command in [["list"], ["resolve", gid(2, 0).group, verb]] {
                    let blind = try await testbed.tandem(
                        ["logless"] + command + ["--database", "host=127.0.0.1 port=1 user=x"])
                    #expect(blind.status == .exited(2), "\(blind.output)")
                }
                #expect(try await Testbed.preparedCount(testbed.orders) == 1)
            }
        }
    }
}
