import CommitProtocol
import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters
import PostgresTransactions
import Testing
import TwoPhaseCommit

extension LibraryTests {
    /// The four ways in which gosql2pc loses a transaction.
    ///
    /// None may happen here. `RunTests` has the ignored error.
    @Suite("Failures recorded from gosql2pc")
    struct SeedFailureTests {
        @Test(
            "a database that fails at COMMIT PREPARED beside a committed one is committed later",
            arguments: [true, false])
        func splitOnCommitFailure(log: Bool) async throws {
            try await withTestbed(log: log) { testbed in
                try await testbed.coordinate({ $0.finishWait = .seconds(1) }) { coordinator in
                    // The order is prepared; its server dies before the user's branch allows the
                    // decision.
                    let user = Participant(testbed.usersDatabase) { tx in
                        try await tx.execute("INSERT INTO users VALUES ('u1', 'Ada')")
                        try await until("the order is prepared") {
                            try await Testbed.preparedCount(testbed.orders) == 1
                        }
                        await testbed.orders.kill()
                        return 1
                    }
                    let unconfirmed: [UnconfirmedBranch]
                    let id: TransactionID
                    do throws(TransactionError) {
                        let committed = try await coordinator.run([user, testbed.order("o1")])
                        #expect(log, "without a log this is an error")
                        (id, unconfirmed) = (committed.id, committed.unconfirmed)
                    } catch {
                        guard case .committed(let part) = error else { throw error }
                        #expect(!log, "with a log it is finished in any case")
                        #expect(part.isBeingRetried)
                        (id, unconfirmed) = (part.id, part.unconfirmed)
                    }
                    #expect(unconfirmed.map(\.database) == ["orders"])
                    #expect(
                        unconfirmed.first?.preparedTransaction
                            .hasPrefix(log ? "tandem:" : "tandem-library:") == true)
                    #expect(try await testbed.users.psql("SELECT count(*) FROM users") == "1")
                    #expect(try await coordinator.status(of: id) == .committing)
                    try await testbed.orders.restart()
                    try await until("it is committed in both") {
                        try await coordinator.status(of: id) == .committed
                    }
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test func `the next incarnation rolls back after a death after PREPARE`()
            async throws
        {
            try await withTestbed { testbed in
                let victim = try await startVictim(testbed, log: true)
                victim.send(SIGKILL)
                _ = await victim.exitStatus()
                #expect(try await Testbed.preparedCount(testbed.orders) == 1)
                try await Coordinator.with(testbed.configuration(replica: "victim")) { _ in
                    try await testbed.expectQuiet(users: 0, orders: 0)
                }
            }
        }

        @Test func `another coordinator commits after a death after the decision`() async throws {
            try await withTestbed { testbed in
                try await leaveHalfCommitted(testbed)
                // Another coordinator finishes it, once the lease has expired.
                try await Coordinator.with(testbed.configuration(replica: "heir")) { _ in
                    try await testbed.expectQuiet(users: 1, orders: 1)
                }
            }
        }

        @Test
        func `a server with the same log commits after a death after the decision`()
            async throws
        {
            try await withTestbed { testbed in
                try await leaveHalfCommitted(testbed)
                let file = "\(NSTemporaryDirectory())/tandem-heir-\(UUID().uuidString).yaml"
                defer { try? FileManager.default.removeItem(atPath: file) }
                let server = try await startServer(testbed, file)
                try await testbed.expectQuiet(users: 1, orders: 1)
                let row = try await testbed.users.psql(
                    "SELECT owner, state FROM tandem.transactions", database: "state")
                #expect(row == "server|committed")
                server.send(SIGTERM)
                _ = await server.exitStatus()
            }
        }

        @Test func `tandem logless lists, groups and ends what a program without a log left`()
            async throws
        {
            try await withTestbed(log: false) { testbed in
                let databases = try [testbed.users, testbed.orders].map {
                    try ConnectionOptions(conninfo: $0.connectionString())
                }
                let victim = try await startVictim(testbed, log: false)
                let alive = try await LoglessTransactions.find(
                    in: databases, timeout: patience, loop: .shared)
                #expect(alive.groups.map(\.isCoordinatorAlive) == [true])
                let early = try await testbed.tandem(
                    ["logless", "resolve", alive.groups[0].name, "rollback", "--incomplete"])
                #expect(early.errors.contains("is alive"))
                #expect(try await Testbed.preparedCount(testbed.orders) == 1)
                victim.send(SIGKILL)
                _ = await victim.exitStatus()
                try await until("its sessions are gone") {
                    try await LoglessTransactions.find(
                        in: databases, timeout: patience, loop: .shared
                    )
                    .groups.map(\.isCoordinatorAlive) == [false]
                }
                let found = try await LoglessTransactions.find(
                    in: databases, timeout: patience, loop: .shared)
                let group = try #require(found.groups.first)
                #expect(group.missing == [0])
                #expect(group.branches.map(\.database) == [1])
                let listed = try await testbed.tandem(["logless", "list"])
                #expect(listed.output.contains("\(group.name): 1 of 2 prepared"))
                let refused = try await testbed.tandem(
                    ["logless", "resolve", group.name, "rollback"])
                #expect(refused.errors.contains("--incomplete"))
                #expect(try await Testbed.preparedCount(testbed.orders) == 1)
                let ended = try await testbed.tandem(
                    ["logless", "resolve", group.name, "rollback", "--incomplete"])
                #expect(ended.output.contains("ROLLBACK PREPARED"))
                let rest = try await testbed.tandem(["logless", "list"])
                #expect(rest.succeeded)
                #expect(rest.output.contains("nothing is left"))
                try await testbed.expectQuiet(users: 0, orders: 0)
            }
        }

        @Test func `recovery ignores the names of logless coordinators`() {
            let name = LoglessName(
                coordinator: LoglessName.newCoordinator(random: { .random(in: .min ... .max) }),
                transaction: GlobalTransactionID(number: 7, salt: 7), branch: 1, branchCount: 2)
            #expect(LoglessName(name.description) == name)
            #expect(LoglessName(name.description + "0") != name)
            #expect(LoglessName("tandem-library:x:7-0000000000000007:01.2") == nil)
            #expect(
                PreparedTransactionName.ownership(
                    of: name.description, installation: name.coordinator) == .foreign)
            #expect(name.description.utf8.count < 200)
        }

        /// A victim whose order is prepared and whose user is not.
        private func startVictim(_ testbed: Testbed, log: Bool) async throws -> ChildProcess {
            var arguments = [testbed.users.connectionString(), testbed.orders.connectionString()]
            if log { arguments += [testbed.stateConnection, "victim"] }
            let victim = try await ChildProcess.start(
                PostgresClusters.Command(try Testbed.program("TwoPhaseCommitVictim"), arguments)
                    .dyingWithParent(signal: "KILL"))
            try await until("the order is prepared") {
                try await Testbed.preparedCount(testbed.orders) == 1
            }
            return victim
        }

        /// A victim that dies between the commits of its user and of its order, whose server is down.
        private func leaveHalfCommitted(_ testbed: Testbed) async throws {
            let victim = try await startVictim(testbed, log: true)
            await testbed.orders.kill()
            _ = try await testbed.users.psql("CREATE TABLE go ()")
            try await until("the user is committed") {
                try await testbed.users.psql("SELECT count(*) FROM users") == "1"
            }
            victim.send(SIGKILL)
            _ = await victim.exitStatus()
            try await testbed.orders.restart()
        }

        /// A server with the same databases and log.
        private func startServer(_ testbed: Testbed, _ file: String) async throws -> ChildProcess {
            let text = """
                listen: { port: 0 }
                replica: { name: server }
                state:
                  conninfo: "\(testbed.stateConnection)"
                  allowFsyncOff: true
                  allowPrivilegedRole: true
                participants:
                  - name: users
                    conninfo: "\(testbed.users.connectionString())"
                    allowPrivilegedRole: true
                  - name: orders
                    conninfo: "\(testbed.orders.connectionString())"
                    allowPrivilegedRole: true
                """
            try Data(text.utf8).write(to: URL(fileURLWithPath: file))
            return try await ChildProcess.start(
                PostgresClusters.Command(
                    try Testbed.program("tandem"), ["serve", "--config", file]
                ).dyingWithParent(signal: "KILL"))
        }
    }
}
