import CommitProtocol
import EventLoop
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Deadlocks over replicas", .timeLimit(.minutes(20)))
@LoopActor
struct ReplicaDeadlockTests {
    /// The victim is the second replica's, then the first one's.
    @Test(
        "abort the youngest transaction, whichever replica's it is", arguments: [[1, 2], [2, 1]])
    func prepared(numbers: [Int64]) async throws {
        try await onReplicas { scene, state in
            for at in [0, 1] { try await scene.prepare(numbers[at], in: at, at: at) }
            let waiting = [0, 1].map { at in
                scene.begin(numbers[at], branch: 1, in: 1 - at, at: at)
            }
            let victim = numbers[0] < numbers[1] ? 1 : 0
            let report = await waiting[victim].value
            guard case .deadlock(let cycle)? = report.failure?.kind else {
                Issue.record("\(report)")
                return
            }
            let ids = [2, 1].map { DeadlockScene.id($0) }
            #expect(cycle.waits.map(\.waiter.transaction) == ids)
            #expect(cycle.waits.map { $0.blockers.map(\.transaction) } == [[ids[1]], [ids[0]]])
            try await scene.finish(numbers[victim], .abort, in: victim, at: victim)
            guard case .prepared = await waiting[1 - victim].value.reply else {
                Issue.record("the older one did not go on")
                return
            }
            try await untilEmpty(state)
        }
    }

    @Test("are found through branches that are held open")
    func held() async throws {
        try await onReplicas { scene, state in
            let lock = "SELECT pg_advisory_xact_lock(7)"
            var held: [any BranchSession] = []
            for at in [0, 1] {
                held.append(try await scene.hold(Int64(at + 1), lock, in: at, at: at))
            }
            let first = scene.begin(1, branch: 1, lock, in: 1, at: 0)
            let second = await scene.begin(2, branch: 1, lock, in: 0, at: 1).value
            guard case .deadlock? = second.failure?.kind else {
                Issue.record("\(second)")
                return
            }
            _ = await held[1].finish(.abort)
            guard case .prepared = await first.value.reply else {
                Issue.record("the older one did not go on")
                return
            }
            _ = await held[0].finish(.abort)
            try await untilEmpty(state)
        }
    }

    @Test("cost the state database nothing while a wait is within one replica")
    func local() async throws {
        try await onReplicas { scene, state in
            // Any write would fail from now on, and leave its error in the log of the server.
            _ = try await state.query("DROP TABLE tandem.waiting_sessions")
            try await scene.prepare(1, in: 0)
            var waits = 0
            scene.participants.members["p0"]?.onContention = { _, _ in waits += 1 }
            let second = scene.begin(2, branch: 0, in: 0)
            while waits < 4 { await Task.yield() }
            #expect(scene.participants.detector.isExchanging == false)
            try await scene.finish(1, .commit, in: 0)
            _ = await second.value
        }
    }

    @Test("are no reason to abort a transaction that only waits for another replica's")
    func mereWait() async throws {
        try await onReplicas { scene, state in
            try await scene.prepare(1, in: 0)
            let second = scene.begin(2, branch: 0, in: 0, at: 1)
            // The second replica publishes its transaction; a row of an ended incarnation goes.
            while try await state.query("SELECT transaction FROM tandem.waiting_sessions")
                .texts != ["\(DeadlockScene.id(2))"]
            { try Task.checkCancellation() }
            var waits = 0
            scene.replicas[1].members["p0"]?.onContention = { _, _ in waits += 1 }
            while waits < 4 { await Task.yield() }
            try await scene.finish(1, .commit, in: 0)
            guard case .prepared = await second.value.reply else {
                Issue.record("it did not go on")
                return
            }
            try await untilEmpty(state)
        }
    }

    private func untilEmpty(_ state: PostgresConnection) async throws {
        while try await state.query("SELECT transaction FROM tandem.waiting_sessions").rowCount > 0
        { try Task.checkCancellation() }
    }

    private func onReplicas(
        _ body:
            @escaping @LoopActor @Sendable (DeadlockScene, PostgresConnection) async throws ->
            Void
    ) async throws {
        try await PostgresCluster.withTemporary(
            settings: [
                "fsync": "off", "max_prepared_transactions": "20", "deadlock_timeout": "1h",
            ]
        ) { @LoopActor cluster in
            let scene = try await DeadlockScene(cluster, 2, replicas: ["one", "two"])
            let state = try await PostgresConnection.connect(
                ConnectionOptions(conninfo: cluster.connectionString()), timeout: .seconds(300),
                loop: .shared)
            defer { state.close() }
            _ = try await state.query(
                """
                INSERT INTO tandem.waiting_sessions (system_identifier, server_started_at,
                    process_id, virtual_transaction, replica, epoch, transaction, age, branch)
                VALUES ('1', '1', 1, '1/1', 'gone', 1, '7-0000000000000000', '7-0000000000000000', 0)
                """)
            try await body(scene, state)
            await scene.close()
        }
    }
}

extension CommandResult {
    /// The first column.
    fileprivate var texts: [String?] { (0..<rowCount).map { text(row: $0, column: 0) } }
}
