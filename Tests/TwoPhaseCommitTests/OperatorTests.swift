import CommitProtocol
import PostgresClusters
import PostgresTransactions
import Testing
import TwoPhaseCommit

extension LibraryTests {
    @Suite("Where an operator's hand is in it")
    struct OperatorTests {
        @Test(
            "a branch that was rolled back by hand is reported beside its committed sibling",
            arguments: [true, false])
        func rolledBackByHand(log: Bool) async throws {
            try await onStage(log: log) { stage in
                try await stage.coordinate { coordinator in
                    let user = Participant(stage.usersDatabase) { tx in
                        let count = try await tx.execute("INSERT INTO users VALUES ('u')")
                        try await until("the order is prepared") {
                            try await Stage.preparedCount(stage.orders) == 1
                        }
                        let gid = try await stage.orders.psql("SELECT gid FROM pg_prepared_xacts")
                        _ = try await stage.orders.psql("ROLLBACK PREPARED '\(gid)'")
                        return count
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([user, stage.order("o")])
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
                    let users = try await stage.users.psql("SELECT count(*) FROM users")
                    let orders = try await stage.orders.psql("SELECT count(*) FROM orders")
                    #expect((users, orders) == ("1", "0"))
                }
            }
        }

        @Test("one that was committed by hand before an abort is never told as aborted")
        func committedByHand() async throws {
            try await onStage { stage in
                try await stage.coordinate { coordinator in
                    struct No: Error {}
                    let user = Participant(stage.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('u')")
                        try await until("the order is prepared") {
                            try await Stage.preparedCount(stage.orders) == 1
                        }
                        let gid = try await stage.orders.psql("SELECT gid FROM pg_prepared_xacts")
                        _ = try await stage.orders.psql("COMMIT PREPARED '\(gid)'")
                        throw No()
                    }
                    let error = await failure { () async throws(TransactionError) in
                        try await coordinator.run([user, stage.order("o").discardingValue])
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
            try await onStage(log: false) { stage in
                let coordinator = LoglessName.newCoordinator()
                func gid(_ number: Int64, _ branch: Int) -> LoglessName {
                    LoglessName(
                        coordinator: coordinator,
                        transaction: GlobalTransactionID(number: number, salt: 7), branch: branch,
                        branchCount: 2)
                }
                func prepare(_ cluster: PostgresCluster, _ table: String, _ gid: String)
                    async throws
                {
                    _ = try await cluster.psql(
                        "BEGIN; INSERT INTO \(table) VALUES ('\(gid)'); PREPARE TRANSACTION '\(gid)'"
                    )
                }
                for number in 1...2 as ClosedRange<Int64> {
                    try await prepare(stage.users, "users", "\(gid(number, 0))")
                    try await prepare(stage.orders, "orders", "\(gid(number, 1))")
                }
                try await prepare(stage.users, "users", "somebody else")
                let listed = try await stage.tandem(["logless", "list"])
                #expect(listed.status == .exited(1))
                #expect(listed.output.contains("\(gid(1, 0).group): 2 of 2 prepared"))
                #expect(listed.output.contains("all branches are here"))
                #expect(!listed.output.contains("somebody"))
                let ended = try await stage.tandem(["logless", "resolve", gid(1, 0).group, verb])
                #expect(ended.succeeded)
                for (branch, cluster, table) in [
                    (0, stage.users, "users"), (1, stage.orders, "orders"),
                ] {
                    #expect(
                        try await cluster.psql("SELECT id FROM \(table)")
                            == (verb == "commit" ? "\(gid(1, branch))" : ""))
                }
                #expect(
                    try await stage.orders.psql("SELECT gid FROM pg_prepared_xacts")
                        == "\(gid(2, 1))")
                #expect(try await Stage.preparedCount(stage.users) == 2)
                let again = try await stage.tandem(["logless", "resolve", gid(1, 0).group, verb])
                #expect(!again.succeeded)
                // Nothing is known where one of the databases cannot be asked.
                for command in [["list"], ["resolve", gid(2, 0).group, verb]] {
                    let blind = try await stage.tandem(
                        ["logless"] + command + ["--database", "host=127.0.0.1 port=1 user=x"])
                    #expect(blind.status == .exited(2), "\(blind.output)")
                }
                #expect(try await Stage.preparedCount(stage.orders) == 1)
            }
        }
    }
}
