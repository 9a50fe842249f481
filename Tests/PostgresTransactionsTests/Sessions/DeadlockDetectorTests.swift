import CommitProtocol
import EventLoop
import Logging
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// The detector with made-up servers and sessions.
@Suite("The deadlock detector", .timeLimit(.minutes(20)))
@LoopActor
struct DeadlockDetectorTests {
    @Test("aborts the youngest transaction of a cycle that two readings show")
    func confirmed() async throws {
        let scene = Scene()
        scene.answer { _ in
            [Self.wait(11, for: 12, named: "first"), Self.wait(12, for: 11, named: "second")]
        }
        let (old, young) = (scene.begin(11, transaction: 1), scene.begin(12, transaction: 2))
        let failure = await young.untilStopped()
        guard case .deadlock(let cycle) = failure else {
            Issue.record("\(failure)")
            return
        }
        #expect(cycle.waits.map(\.waiter.transaction) == [young.id, old.id])
        #expect(cycle.waits.map { $0.blockers.map(\.transaction) } == [[old.id], [young.id]])
        #expect(cycle.waits.map(\.relation) == ["public.t", "public.t"])
        #expect(old.failure == nil)
    }

    @Test("spares a cycle that dissolves between the readings", arguments: [true, false])
    func dissolved(isNewWait: Bool) async throws {
        let scene = Scene()
        scene.answer { number in
            // Every second reading finds one of the waits over; or another one in its place.
            let first = Self.wait(11, for: 12, named: isNewWait ? "first \(number)" : "first")
            let over = LockProcess(
                id: 11, startedAt: nil, applicationName: nil, role: nil, query: "",
                virtualTransaction: nil, wait: nil)
            let isOver = !isNewWait && number % 2 == 0
            return [isOver ? over : first, Self.wait(12, for: 11, named: "second")]
        }
        let sessions = [scene.begin(11, transaction: 1), scene.begin(12, transaction: 2)]
        await scene.untilAsked(times: 8)
        #expect(sessions.allSatisfy { $0.failure == nil })
    }

    @Test("aborts no other transaction while a victim is being aborted")
    func once() async throws {
        let scene = Scene()
        let sessions = [11, 12].map { scene.begin($0, transaction: Int64($0)) }
        scene.answer { [victim = sessions[1]] _ in
            let first = Self.wait(11, for: 12, named: "first")
            guard victim.isStopped else { return [first, Self.wait(12, for: 11, named: "second")] }
            // The victim's cancel is on its way, and a younger one has come into the cycle.
            return [
                first, Self.wait(12, for: 11, 13, named: "second"),
                Self.wait(13, for: 11, named: "third"),
            ]
        }
        _ = await sessions[1].untilStopped()
        let late = scene.begin(13, transaction: 13)
        await scene.untilAsked(times: scene.asked + 6)
        #expect(sessions.map(\.stops) == [0, 1])
        #expect(late.stops == 0)
    }

    @Test("spares a branch that votes before the second reading is there")
    func voted() async throws {
        let scene = Scene()
        let sessions = [11, 12].map { scene.begin($0, transaction: Int64($0)) }
        scene.answer { [victim = sessions[1]] number in
            victim.isWorking = number < 2
            return [
                Self.wait(11, for: 12, named: "first"), Self.wait(12, for: 11, named: "second"),
            ]
        }
        await scene.untilAsked(times: 7)
        #expect(sessions.allSatisfy { $0.failure == nil })
    }

    @Test("judges by the age of the first run")
    func age() async throws {
        let scene = Scene()
        scene.answer { _ in
            [Self.wait(11, for: 12, named: "first"), Self.wait(12, for: 11, named: "second")]
        }
        let rerun = scene.begin(11, transaction: 9, age: 1)
        let young = scene.begin(12, transaction: 2)
        while !young.isStopped, !rerun.isStopped { await Task.yield() }
        #expect(young.isStopped)
    }

    /// The server names to the last of the queue only the one before it.
    ///
    /// That one is the youngest, and its end would free nobody.
    @Test("spares those between in a queue for a row")
    func rowHolder() async throws {
        let scene = Scene()
        scene.answer { _ in
            [
                Self.wait(11, for: 13, named: "other row"),
                Self.wait(12, for: 11, named: "first", row: "(0,1)"),
                Self.wait(13, for: 12, named: "last", row: "(0,1)"),
            ]
        }
        let holder = scene.begin(11, transaction: 1)
        let (between, last) = (scene.begin(12, transaction: 3), scene.begin(13, transaction: 2))
        while !between.isStopped, !last.isStopped { await Task.yield() }
        #expect([holder, between, last].map(\.isStopped) == [false, false, true])
    }

    @Test("leaves branches of one transaction to themselves")
    func siblings() async throws {
        let scene = Scene()
        scene.answer { _ in
            [Self.wait(11, for: 12, named: "first"), Self.wait(12, for: 11, named: "second")]
        }
        let sessions = [11, 12].map { scene.begin($0, transaction: 1) }
        await scene.untilAsked(times: 6)
        #expect(sessions.allSatisfy { $0.failure == nil })
    }

    @Test("asks nothing while every branch leaves its session soon")
    func quick() async throws {
        let (quick, slow) = (Scene(), Scene())
        let session = quick.begin(11, transaction: 1)
        quick.watch.end(session)
        slow.begin(12, transaction: 2)
        // The quick one's timer was set first, for the same delay.
        await slow.untilAsked(times: 1)
        #expect(quick.asked == 0)
    }

    @Test("asks nothing about branches that have voted")
    func held() async throws {
        let (held, slow) = (Scene(), Scene())
        held.begin(11, transaction: 1).isWorking = false
        slow.begin(12, transaction: 2)
        await slow.untilAsked(times: 1)
        #expect(held.asked == 0)
    }

    private static func wait(
        _ id: Int32, for blockers: Int32..., named identity: String, row: String? = nil
    ) -> LockProcess {
        LockProcess(
            id: id, startedAt: nil, applicationName: "a", role: "r", query: "q",
            virtualTransaction: nil,
            wait: LockWait(
                identity: identity, since: 0, relation: "public.t",
                row: row, rowKey: row, blockers: blockers, gids: []))
    }

    /// One participant, whose server answers as the test says.
    @LoopActor
    private final class Scene {
        static let server = RunningServer(systemIdentifier: "s", startedAt: "1")

        let watch: LockWatch
        private let detector: DeadlockDetector
        private let server = Server()
        var asked: Int { server.asked }

        @LoopActor
        private final class Server {
            var asked = 0
            var answer: (Int) -> [LockProcess] = { _ in [] }
        }

        init() {
            watch = LockWatch(
                participant: "p", lockTimeout: .zero, loop: .shared, server: { Self.server }
            ) { [server] _ in
                server.asked += 1
                let processes = server.answer(server.asked).map { ($0.id, $0) }
                return LockListing(
                    server: Self.server,
                    processes: Dictionary(uniqueKeysWithValues: processes))
            }
            detector = DeadlockDetector(
                [watch], installation: "i", loop: .shared, logger: Logger(label: "test")
            ) { _ in true }
        }

        func answer(_ answer: @escaping (Int) -> [LockProcess]) { server.answer = answer }

        @discardableResult
        func begin(_ processID: Int32, transaction: Int64, age: Int64? = nil) -> Session {
            let session = Session(processID, transaction: transaction, age: age ?? transaction)
            watch.begin(session)
            return session
        }

        func untilAsked(times: Int) async {
            while server.asked < times { await Task.yield() }
        }
    }

    @LoopActor
    private final class Session: WatchedSession {
        let processID: Int32
        let id: GlobalTransactionID
        let gid: String?
        let age: GlobalTransactionID?
        var isWorking = true
        private(set) var stops = 0
        private(set) var failure: BranchFailure.Kind?
        var isStopped: Bool { failure != nil }
        var process: ServerProcess? { ServerProcess(server: Scene.server, id: processID) }
        var startedAt: String? { "" }

        init(_ processID: Int32, transaction: Int64, age: Int64) {
            self.processID = processID
            id = GlobalTransactionID(number: transaction, salt: 0)
            gid = "tandem:i:\(id):\(processID)"
            self.age = GlobalTransactionID(number: age, salt: 0)
        }

        func note(_ reading: LockReading) {}

        func stop(_ kind: BranchFailure.Kind, running query: String) {
            stops += 1
            failure = kind
        }

        func statement(running query: String) -> Int? { nil }

        func untilStopped() async -> BranchFailure.Kind {
            while true {
                if let failure { return failure }
                await Task.yield()
            }
        }
    }
}
