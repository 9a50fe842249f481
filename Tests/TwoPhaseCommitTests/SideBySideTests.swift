import CoordinatorAPI
import Glibc
import PostgresClusters
import Testing
import TwoPhaseCommit

@testable import tandem

extension LibraryTests {
    @Suite("A program and a server over one state database")
    struct SideBySideTests {
        @Test
        func `each leaves a living one's transactions alone, and finishes them after a kill`()
            async throws
        {
            let sandbox = try await Sandbox.start(
                directory: nil,
                settings: [
                    "transactions: { scanIntervalMilliseconds: 200, orphanGraceSeconds: 1 }"
                ])
            do {
                let server = try await sandbox.startReplica(
                    1, isQuiet: true,
                    environment: ["TANDEM_FAILPOINTS": "commitPrepared.before.1=kill"])
                try await Self.withProgram(sandbox, server)
            } catch {
                await sandbox.stop()
                throw error
            }
            await sandbox.stop()
        }

        private static func withProgram(
            _ sandbox: Sandbox, _ server: ChildReplica
        ) async throws {
            let users = try #require(sandbox.participants["users"])
            let orders = try #require(sandbox.participants["orders"])
            let state = sandbox.state
            let usersDatabase = Database("users", at: users.connectionString())
            let ordersDatabase = Database("orders", at: orders.connectionString())
            let configuration = TwoPhaseCommit.Coordinator.Configuration(
                databases: [usersDatabase, ordersDatabase],
                log: .database(
                    LogLocation.StateDatabase(at: state.connectionString(), replica: "program")))
            try await Coordinator.with(configuration) { coordinator in
                let user = Participant(usersDatabase) { tx in
                    try await tx.execute("INSERT INTO users VALUES ('u1')")
                    try await until("the order is prepared") {
                        try await Testbed.preparedCount(orders) == 1
                    }
                    // When the scan has removed this one, it has left the order alone.
                    try await leaveOrphan(state, orders)
                    try await until("the server has looked for orphans, and ended this one") {
                        try await Testbed.preparedCount(orders) == 1
                    }
                }
                let order = Participant(ordersDatabase) { tx in
                    try await tx.execute("INSERT INTO orders VALUES ('o1')")
                }
                let committed = try await coordinator.run(user, order)
                try await Self.expectShown(committed.id, "committed", by: server)
                let error = await failure { () async throws(TransactionError) in
                    try await coordinator.run([order])
                }
                guard case .aborted(let aborted) = error, let id = aborted.id else {
                    Issue.record("\(String(describing: error))")
                    return
                }
                try await Self.expectShown(id, "aborted", by: server)
                // The server decides, commits the user and dies; the program finishes the rest.
                _ = try? await LoopbackHTTP(port: server.port).post(
                    "/v1/transactions",
                    #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users "#
                        + #"VALUES ('u2')"}]},{"participant":"orders","statements":[{"sql":"#
                        + #""INSERT INTO orders VALUES ('o2')"}]}]}"#)
                #expect(await server.process.exitStatus() == .signalled(SIGKILL))
                #expect(try await Testbed.preparedCount(orders) == 1)
                try await until("the program has ended the server's transaction") {
                    try await state.psql(
                        "SELECT count(*) FROM tandem.transactions "
                            + "WHERE owner = 'program' AND state = 'committed'") == "2"
                }
            }
            for cluster in [users, orders] {
                #expect(try await Testbed.preparedCount(cluster) == 0)
            }
            #expect(try await users.psql("SELECT id FROM users ORDER BY id") == "u1\nu2")
            #expect(try await orders.psql("SELECT id FROM orders ORDER BY id") == "o1\no2")
        }

        /// A server shows an operator the transactions of programs.
        private static func expectShown(
            _ id: TransactionID, _ state: String, by server: ChildReplica
        ) async throws {
            try await until("it is shown as \(state)") {
                let answer = try await LoopbackHTTP(port: server.port)
                    .get("/v1/transactions/\(id)")
                let body = try JSONReader.read(Array(answer.body.utf8))
                return answer.status == 200 && body["state"] == .string(state)
                    && body["principal"] == .string("library")
                    && (body["problem"]?["retryable"] != nil) == (state == "aborted")
            }
            let list = try await LoopbackHTTP(port: server.port).get("/v1/transactions")
            #expect(list.body.contains("\"\(id)\""))
        }

        /// A prepared transaction of this installation without a row.
        private static func leaveOrphan(
            _ state: PostgresCluster, _ cluster: PostgresCluster
        ) async throws {
            let installation = try await state.psql("SELECT id FROM tandem.installation")
            _ = try await cluster.psql(
                "BEGIN; SELECT pg_current_xact_id(); "
                    + "PREPARE TRANSACTION 'tandem:\(installation):900001-00000000000000ab:0'")
        }
    }
}
