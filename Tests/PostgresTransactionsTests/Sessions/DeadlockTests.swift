import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import StatementGate
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// Deadlocks that PostgreSQL cannot see, in the databases of one server; nothing here ends by a timeout.
@Suite("Deadlocks over branches", .timeLimit(.minutes(5)))
@LoopActor
struct DeadlockTests {
    @Test(
        "of two or three transactions over as many databases end the youngest", arguments: [2, 3])
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
            let order = (0..<count).map { Scene.id(transactions[($0 + count - 1) % count]) }
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
            try await scene.prepare(2, Scene.update(2), in: 0)
            let first = scene.begin(1, branch: 1, Scene.update(2), in: 0)
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
            _ = try await stranger.query(Scene.update(2))
            let other = Task { try await stranger.query(Scene.update(1)) }
            let victim = await scene.begin(1, branch: 1, Scene.update(2), in: 0).value
            #expect(isDeadlock(victim))
            guard case .deadlock(let cycle)? = victim.failure?.kind else { return }
            #expect(cycle.waits.count == 2)
            #expect(cycle.waits.last?.waiter.processID == stranger.processID)
            #expect(cycle.waits.last?.waiter.transaction == nil)
            #expect(cycle.waits.last?.blockers.first?.gid == Scene.gid(1, branch: 0))
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
                _ = try await tx.execute([Statement(sql: Scene.update(1))])
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
            scene.participants.members["p0"]?.onContention = { shapes.append($0) }
            let second = scene.begin(2, branch: 1, in: 0, shape: 77)
            while shapes.count < 4 { await Task.yield() }
            #expect(Set(shapes) == [77])
            for waits in [
                await scene.participants.waits(of: Scene.id(2)),
                try await scene.participants.waits(in: "p0"),
            ] {
                #expect(waits.count == 1)
                #expect(waits.first?.participant == "p0")
                #expect(waits.first?.waiter.transaction == Scene.id(2))
                #expect(waits.first?.waiter.branch == 1)
                #expect(waits.first?.waiter.applicationName == "tandem-work i")
                #expect(waits.first?.relation == "public.t")
                #expect(waits.first?.row == "(0,1)")
                let blockers = waits.first?.blockers
                #expect(blockers?.map(\.gid) == [Scene.gid(1, branch: 0)])
                #expect(blockers?.map(\.transaction) == [Scene.id(1)])
            }
            #expect(try await scene.participants.waits(in: "p1").isEmpty)
            #expect(await scene.participants.waits(of: Scene.id(1)).isEmpty)
            try await scene.finish(1, .commit, in: 0)
            #expect(isPrepared(await second.value))
            #expect(await scene.participants.waits(of: Scene.id(2)).isEmpty)
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
            #expect(waits.first?.blockers.map(\.transaction) == [Scene.id(2)])
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
        _ count: Int, _ body: @escaping @LoopActor @Sendable (Scene) async throws -> Void
    ) async throws {
        // PostgreSQL itself looks for deadlocks after an hour.
        try await PostgresCluster.withTemporary(
            settings: [
                "fsync": "off", "max_prepared_transactions": "20", "deadlock_timeout": "1h",
            ]
        ) { @LoopActor cluster in
            let scene = try await Scene(cluster, count)
            try await body(scene)
            await scene.participants.close()
        }
    }
}

/// Participants `p0`, `p1`, ... in databases of one server, each with a table of two rows.
@LoopActor
private final class Scene {
    let participants: PostgresParticipants
    private let connections: [ConnectionOptions]

    init(_ cluster: PostgresCluster, _ count: Int) async throws {
        let first = try ConnectionOptions(conninfo: cluster.connectionString())
        var connections: [ConnectionOptions] = []
        for place in 0..<count {
            _ = try await cluster.psql("CREATE DATABASE d\(place)")
            connections.append(try first.overriding(["dbname": "d\(place)"]))
            let connection = try await PostgresConnection.connect(
                connections[place], timeout: .seconds(60))
            defer { connection.close() }
            _ = try await connection.query("CREATE TABLE t (id int PRIMARY KEY, n int)")
            _ = try await connection.query("INSERT INTO t VALUES (1, 0), (2, 0)")
        }
        self.connections = connections
        let options = connections.enumerated().map { place, connection in
            var options = ParticipantOptions(name: "p\(place)", connection: connection)
            options.connectTimeout = .seconds(60)
            options.lockTimeout = .zero
            options.statementTimeout = .zero
            return options
        }
        participants = try PostgresParticipants(
            logless: options, installation: "i", allowsFsyncOff: true, queueMax: 10,
            logger: Logger(label: "test"))
    }

    nonisolated static func id(_ number: Int64) -> GlobalTransactionID {
        GlobalTransactionID(number: number, salt: 0)
    }

    nonisolated static func gid(_ number: Int64, branch: Int) -> String {
        "tandem:i:\(id(number)):\(branch)"
    }

    nonisolated static func update(_ row: Int) -> String {
        "UPDATE t SET n = n + 1 WHERE id = \(row)"
    }

    func connect(_ place: Int) async throws -> PostgresConnection {
        try await PostgresConnection.connect(connections[place], timeout: .seconds(60))
    }

    /// Has branch 0 of a transaction do its work and be prepared.
    func prepare(_ number: Int64, _ sql: String = update(1), in place: Int) async throws {
        let report = await begin(number, branch: 0, sql, in: place).value
        guard case .prepared = report.reply else {
            Issue.record("\(report)")
            throw CancellationError()
        }
    }

    /// The same, and has it held open.
    func hold(_ number: Int64, _ sql: String, in place: Int) async throws -> any BranchSession {
        let work = try Self.work(sql, .readOnly)
        let session = try await session(in: place, .readOnly, shape: 0)
        let report = await session.work(
            WorkRequest(
                gid: Self.gid(number, branch: 0), work: work, isolation: .readCommitted,
                commitMode: .readOnly, age: Self.id(number)))
        #expect(report.reply == .held)
        return session
    }

    func begin(
        _ number: Int64, branch: Int, _ sql: String = update(1), in place: Int, shape: Int = 0
    ) -> Task<WorkReport, Never> {
        do {
            return begin(
                number, branch: branch, try Self.work(sql, .twoPhase), in: place, shape: shape)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    func begin(
        _ number: Int64, branch: Int, _ work: BranchWork, in place: Int, shape: Int = 0
    ) -> Task<WorkReport, Never> {
        let request = WorkRequest(
            gid: Self.gid(number, branch: branch), work: work, isolation: .readCommitted,
            age: Self.id(number))
        return Task(executorPreference: EventLoop.shared) {
            do {
                return try await self.session(in: place, .twoPhase, shape: shape).work(request)
            } catch {
                preconditionFailure("\(error)")
            }
        }
    }

    func finish(_ number: Int64, _ decision: Decision, in place: Int) async throws {
        let report = await participants.finish(
            FinishRequest(
                participant: "p\(place)", gid: Self.gid(number, branch: 0), decision: decision,
                evidence: nil, fence: .none))
        #expect(report.reply == .done)
    }

    private static func work(_ sql: String, _ mode: CommitMode) throws -> BranchWork {
        .statements([try InspectedStatement(inspecting: Statement(sql: sql), for: mode)])
    }

    private func session(
        in place: Int, _ mode: CommitMode, shape: Int
    ) async throws -> any BranchSession {
        let request = SessionRequest(participant: "p\(place)", commitMode: mode, shape: shape)
        return try await participants.reserve([request], within: .seconds(60))[0]
    }
}
