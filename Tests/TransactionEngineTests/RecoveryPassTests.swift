import CommitProtocol
import EventLoop
import InMemoryLogging
import Logging
import Testing
import TransactionEngine

/// A claim takes its time, and a busy replica accepts transactions meanwhile.
@Suite("What a recovery pass takes over", .timeLimit(.minutes(20)))
struct RecoveryPassTests {
    private let notes = InMemoryLogHandler()
    private let bench: Bench

    init() async {
        var limits = EngineLimits()
        limits.claimBatch = 2
        let notes = notes
        bench = await Bench(limits, logger: Logger(label: "test") { _ in notes })
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        bench.participants.state.withLock { $0.isEndless = true }
    }

    /// How many transactions each pass logged as taken over.
    private var noted: [String] {
        notes.entries.filter { $0.message == "took transactions over" }.map {
            $0.metadata["count"]?.description ?? ""
        }
    }

    /// Begins transaction 2, whose work lasts until it is cancelled; returns once it works.
    private static func begin(_ bench: Bench) async -> Task<TransactionAnswer, Never> {
        let task = Task { await bench.run(nil) }
        while bench.participants.state.withLock({ $0.working.isEmpty }) { await Task.yield() }
        return task
    }

    private func end(_ run: Task<TransactionAnswer, Never>?) async {
        bench.participants.cancelWork()
        guard case .known(let record)? = await run?.value else {
            Issue.record("expected a commit: recovery has to leave it alone")
            return
        }
        #expect(record.decision == .commit)
    }

    @Test("asks for the active transactions right before the claim")
    func acceptedBeforeTheClaim() async throws {
        let (bench, run) = (bench, Lock<Task<TransactionAnswer, Never>?>(nil))
        bench.log.state.withLock {
            $0.unowned = [Bench.row(.twoPhase, number: 2, salt: 2)]
            $0.beforeClaim = {
                let begun = await Self.begin(bench)
                run.withLock { $0 = begun }
            }
        }
        let pass = try await bench.engine.recoverOnce()
        #expect(pass.adoptedCount == 0 && !pass.isFull)
        #expect(bench.log.state.withLock { $0.claims } == [[.init(number: 2, salt: 2)]])
        #expect(noted == [])
        await end(run.withLock { $0 })
    }

    @Test("does not adopt its own row that a claim returns, which takes a place in the pass")
    func acceptedDuringTheClaim() async throws {
        let (bench, run) = (bench, Lock<Task<TransactionAnswer, Never>?>(nil))
        bench.log.state.withLock {
            $0.unowned = [
                Bench.row(.twoPhase, number: 2, salt: 2),
                Bench.row(.twoPhase, decision: .commit, number: 3),
                Bench.row(.twoPhase, decision: .commit, number: 4),
            ]
            $0.duringClaim = {
                guard run.withLock({ $0 }) == nil else { return }
                let begun = await Self.begin(bench)
                run.withLock { $0 = begun }
            }
        }
        let isOver = Lock(false)
        let recovery = Task {
            await bench.engine.recoverContinuously()
            isOver.withLock { $0 = true }
        }
        // Where the first answer was full the next is asked for without a pause; then there is one.
        while bench.log.state.withLock({ $0.claims.count }) < 2 { await Task.yield() }
        recovery.cancel()
        while !isOver.withLock({ $0 }) {
            bench.clock.attempt(within: 2000)
            await Task.yield()
        }
        let second: Set<GlobalTransactionID> = [
            .init(number: 2, salt: 2), .init(number: 3, salt: 1),
        ]
        let claims = bench.log.state.withLock { $0.claims }
        #expect(claims.count == 2)
        #expect(claims.last?.isSubset(of: second) == true)
        #expect(claims.last?.contains(.init(number: 2, salt: 2)) == true)
        #expect(noted == ["1", "1"])
        await end(run.withLock { $0 })
    }
}
