import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// Deadlocks that PostgreSQL cannot see, in the databases of one server; nothing here ends by a timeout.
@Suite("Deadlocks over branches", .timeLimit(.minutes(20)))
@LoopActor
struct DeadlockTests {
    @Test(
        "of two or three transactions over as many databases abort the youngest", arguments: [2, 3])
    func cycle(count: Int) async throws {
        try await onParticipants(count) { scene in
            let transactions = (0..<count).map { Int64($0 + 1) }
            for (place, number) in transactions.enumerated() {
                try await scene.prepare(number, in: place)
            }
            let waiting = transactions.enumerated().map { place, number in
                scene.begin(number, branch: 1, in: (place + 1) % count)
            }
            let victim = await waiting[count - 1].value
            guard case .deadlock(let cycle)? = victim.failure?.kind else {
                Issue.record("\(String(describing: victim.failure))")
                return
            }
            #expect(victim.reply == .refused)
            #expect(victim.failure?.statement == 0)
            // From the victim on, which waits for the first one.
            let order = (0..<count).map { DeadlockScene.id(transactions[($0 + count - 1) % count]) }
            #expect(cycle.waits.map(\.waiter.transaction) == order)
            #expect(
                cycle.waits.map { $0.blockers.map(\.transaction) }
                    == order.indices.map {
                        [order[($0 + 1) % count]]
                    })
            #expect(cycle.waits.map(\.waiter.branch) == order.map { _ in 1 })
            #expect(cycle.waits.map(\.relation) == order.map { _ in "public.t" })
            #expect(cycle.waits.allSatisfy { $0.row == "(0,1)" })
            // The others go on, each once the one before is finished.
            try await scene.finish(transactions[count - 1], .abort, in: count - 1)
            for place in (0..<(count - 1)).reversed() {
                #expect(isPrepared(await waiting[place].value))
                try await scene.finish(transactions[place], .abort, in: place)
            }
        }
    }

    @Test("through branches that are held open")
    func held() async throws {
        try await onParticipants(2) { scene in
            let lock = "SELECT pg_advisory_xact_lock(7)"
            let held = try await [
                scene.hold(1, lock, in: 0), scene.hold(2, lock, in: 1),
            ]
            let first = scene.begin(1, branch: 1, lock, in: 1)
            let second = await scene.begin(2, branch: 1, lock, in: 0).value
            #expect(isDeadlock(second))
            _ = await held[1].finish(.abort)
            #expect(isPrepared(await first.value))
            _ = await held[0].finish(.abort)
        }
    }

    @Test("within one database")
    func oneDatabase() async throws {
        try await onParticipants(1) { scene in
            try await scene.prepare(1, in: 0)
            try await scene.prepare(2, DeadlockScene.update(2), in: 0)
            let first = scene.begin(1, branch: 1, DeadlockScene.update(2), in: 0)
            #expect(isDeadlock(await scene.begin(2, branch: 1, in: 0).value))
            try await scene.finish(2, .abort, in: 0)
            #expect(isPrepared(await first.value))
        }
    }

    @Test("through a session of another program")
    func stranger() async throws {
        try await onParticipants(1) { scene in
            try await scene.prepare(1, in: 0)
            let stranger = try await scene.connect(0)
            defer { stranger.close() }
            _ = try await stranger.query("BEGIN")
            _ = try await stranger.query(DeadlockScene.update(2))
            let other = Task { try await stranger.query(DeadlockScene.update(1)) }
            let victim = await scene.begin(1, branch: 1, DeadlockScene.update(2), in: 0).value
            #expect(isDeadlock(victim))
            guard case .deadlock(let cycle)? = victim.failure?.kind else { return }
            #expect(cycle.waits.count == 2)
            #expect(cycle.waits.last?.waiter.processID == stranger.processID)
            #expect(cycle.waits.last?.waiter.transaction == nil)
            #expect(cycle.waits.last?.blockers.first?.gid == scene.gid(1, branch: 0))
            try await scene.finish(1, .abort, in: 0)
            _ = try await other.value
        }
    }

    @Test("in a closure's branch")
    func closure() async throws {
        try await onParticipants(2) { scene in
            for place in [0, 1] { try await scene.prepare(Int64(place + 1), in: place) }
            let first = scene.begin(1, branch: 1, in: 1)
            let work = InteractiveWork { tx in
                _ = try await tx.execute([Statement(sql: DeadlockScene.update(1))])
            }
            let second = await scene.begin(2, branch: 1, .interactive(work), in: 0).value
            #expect(isDeadlock(second))
            try await scene.finish(2, .abort, in: 1)
            #expect(isPrepared(await first.value))
        }
    }

    @Test("a wait that is no deadlock is shown, counts as contention, and goes on")
    func mereWait() async throws {
        try await onParticipants(2) { scene in
            try await scene.prepare(1, in: 0)
            var shapes: [Int] = []
            scene.participants.members["p0"]?.onContention = { waiter, _ in
                shapes.append(waiter.shape)
            }
            let second = scene.begin(2, branch: 1, in: 0, shape: 77)
            while shapes.count < 4 { await Task.yield() }
            #expect(Set(shapes) == [77])
            for waits in [
                await scene.participants.waits(of: DeadlockScene.id(2)),
                try await scene.participants.waits(in: "p0"),
            ] {
                #expect(waits.count == 1)
                #expect(waits.first?.participant == "p0")
                #expect(waits.first?.waiter.transaction == DeadlockScene.id(2))
                #expect(waits.first?.waiter.branch == 1)
                #expect(waits.first?.waiter.applicationName == "tandem-work i")
                #expect(waits.first?.relation == "public.t")
                #expect(waits.first?.row == "(0,1)")
                let blockers = waits.first?.blockers
                #expect(blockers?.map(\.gid) == [scene.gid(1, branch: 0)])
                #expect(blockers?.map(\.transaction) == [DeadlockScene.id(1)])
            }
            #expect(try await scene.participants.waits(in: "p1").isEmpty)
            #expect(await scene.participants.waits(of: DeadlockScene.id(1)).isEmpty)
            try await scene.finish(1, .commit, in: 0)
            #expect(isPrepared(await second.value))
            #expect(await scene.participants.waits(of: DeadlockScene.id(2)).isEmpty)
        }
    }

    @Test("locks of prepared transactions in modes that do not conflict block nobody")
    func modes() async throws {
        try await onParticipants(1) { scene in
            try await scene.prepare(1, "LOCK TABLE t IN ROW SHARE MODE", in: 0)
            try await scene.prepare(2, "LOCK TABLE t IN ROW EXCLUSIVE MODE", in: 0)
            let third = scene.begin(3, branch: 0, "LOCK TABLE t IN SHARE MODE", in: 0)
            var waits: [LockWaitReport] = []
            while waits.isEmpty { waits = try await scene.participants.waits(in: "p0") }
            #expect(waits.first?.blockers.map(\.transaction) == [DeadlockScene.id(2)])
            #expect(waits.first?.relation == "public.t")
            #expect(waits.first?.row == nil)
            try await scene.finish(2, .commit, in: 0)
            #expect(isPrepared(await third.value))
        }
    }

    private func isPrepared(_ report: WorkReport) -> Bool {
        if case .prepared = report.reply { return true }
        Issue.record("\(report)")
        return false
    }

    private func isDeadlock(_ report: WorkReport) -> Bool {
        if case .deadlock? = report.failure?.kind { return report.reply == .refused }
        Issue.record("\(report)")
        return false
    }

    private func onParticipants(
        _ count: Int, _ body: @escaping @LoopActor @Sendable (DeadlockScene) async throws -> Void
    ) async throws {
        // PostgreSQL itself looks for deadlocks after an hour.
        try await PostgresCluster.withTemporary(
            settings: [
                "fsync": "off", "max_prepared_transactions": "20", "deadlock_timeout": "1h",
            ]
        ) { @LoopActor cluster in
            let scene = try await DeadlockScene(cluster, count)
            try await body(scene)
            await scene.close()
        }
    }
}
