import EventLoop
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The blockers of a waiting session", .timeLimit(.minutes(20)))
@LoopActor
struct LockWaitTests {
    @Test("names sessions and prepared transactions, with gid and statements")
    func found() async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { @LoopActor cluster in
            _ = try await cluster.psql("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u ()")
            // Others are prepared as well, with locks on the same table.
            for (id, gid) in [(1, "one"), (2, "tandem:i:1-ab:0"), (3, "three")] {
                _ = try await cluster.psql(
                    "BEGIN; INSERT INTO t VALUES (\(id)); PREPARE TRANSACTION '\(gid)'")
            }
            let holder = try await open(cluster)
            _ = try await holder.query("BEGIN")
            _ = try await holder.query("LOCK TABLE u")
            let first = try await open(cluster)
            let second = try await open(cluster)
            let waits = [
                Task { try await first.query("INSERT INTO t VALUES (2)") },
                Task { try await second.query("TABLE u") },
            ]
            try await cluster.untilLocksAreAwaited(by: 2)
            let asker = try await open(cluster)
            let found = try await LockQuery.find(
                [first.processID, second.processID, holder.processID], on: asker,
                timeout: .seconds(300))
            let waiters = [found[first.processID], found[second.processID]]
            #expect(waiters.map { $0?.query } == ["INSERT INTO t VALUES (2)", "TABLE u"])
            #expect(waiters.map { $0?.wait?.gids } == [["tandem:i:1-ab:0"], []])
            #expect(waiters.map { $0?.wait?.blockers } == [[], [holder.processID]])
            #expect(waiters.map { $0?.wait?.relation } == [nil, "public.u"])
            let blocker = try #require(found[holder.processID])
            #expect(blocker.query == "LOCK TABLE u")
            #expect(blocker.wait == nil)
            #expect(found.count == 3)
            for connection in [holder, first, second, asker] { connection.close() }
            for wait in waits { _ = await wait.result }
        }
    }

    private func open(_ cluster: PostgresCluster) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            ConnectionOptions(conninfo: cluster.connectionString()), timeout: .seconds(300),
            loop: .shared)
    }

    @Test("reads transaction and branch from a gid, with a log or without")
    func names() {
        let names = ["tandem:i:1-ab:0", "tandem:i:1-ab:1", "tandem:i:2-ab:1"].map { BranchName($0) }
        #expect(names.map { $0?.branch } == [0, 1, 1])
        #expect(names[0]?.transaction == names[1]?.transaction)
        #expect(names[0]?.transaction != names[2]?.transaction)
        #expect(BranchName("tandem-library:c:1-ab:3.4")?.branch == 3)
        #expect(BranchName("somebody's") == nil)
    }

    @Test(
        "a wait that PostgreSQL ended is explained, and nothing else is",
        arguments: [
            ("55P03", true), ("40P01", true), ("57014", true), ("23505", false),
        ])
    func explained(state: String, isExplained: Bool) {
        let failure = BranchFailure(
            .statement, statement: 1,
            report: BranchFailure.ServerReport(sqlState: state, message: "m"))
        let cause = BranchFailure(.blockedByItself(branch: 0, statement: nil))
        let expected = BranchFailure(.blockedByItself(branch: 0, statement: nil), statement: 1)
        #expect(failure.explained(by: cause) == (isExplained ? expected : failure))
        #expect(failure.explained(by: nil) == failure)
    }

    @Test(
        "what PostgreSQL says of a deadlock is kept",
        arguments: [("57014", true), ("40P01", false)])
    func ownDeadlock(state: String, isExplained: Bool) {
        let failure = BranchFailure(
            .statement, statement: 1,
            report: BranchFailure.ServerReport(sqlState: state, message: "m"))
        let kind = BranchFailure.Kind.deadlock(LockCycle(waits: []))
        let found = failure.explained(by: BranchFailure(kind), wasStopped: true)
        #expect(found == (isExplained ? BranchFailure(kind, statement: 1) : failure))
    }
}
