import CommitProtocol
import EventLoop
import Logging
import Testing
import TransactionEngine

@Suite("Unfinished branches are tried at once where an operator asks for it")
@LoopActor
struct RetryNowTests {
    private let signals = RecordedSignals()

    /// An engine that has taken over a decided transaction whose branch could not be finished.
    private func withWaitingBranch(
        _ body: @LoopActor (Bench, TransactionEngine) async throws -> Void
    ) async throws {
        let bench = Bench()
        let engine = engine(over: bench)
        bench.participants.state.withLock {
            $0.finishReply = .tryAgain
            $0.answersAtOnce = true
        }
        var row = Bench.row(.twoPhase, decision: .commit)
        row.state = .committing
        bench.log.put(row)
        bench.log.state.withLock { [row] in $0.unowned = [row] }
        try await engine.recoverOnce()
        try await body(bench, engine)
    }

    private func engine(over bench: Bench) -> TransactionEngine {
        TransactionEngine(
            ports: EnginePorts(
                log: bench.log, participants: bench.participants, clock: bench.clock,
                signals: signals, random: { $0.lowerBound }),
            encoding: OutcomeEncoding(results: { _ in [] }, problem: { _, _, _ in [] }),
            limits: EngineLimits(), logger: Logger(label: "test"))
    }

    private func attempts(_ bench: Bench) -> Int {
        bench.participants.state.withLock { $0.finishRequests.count }
    }

    @Test("the coordinating replica tries at once, and knows when it tries next")
    func triesAtOnce() async throws {
        try await withWaitingBranch { bench, engine in
            #expect(attempts(bench) == 1)
            let first = try #require(engine.nextAttempts(of: Bench.id)[0])
            #expect(first > 0)
            guard case .asked(let record) = try await engine.retryNow(Bench.id, principal: nil)
            else {
                Issue.record("expected that the branch is tried")
                return
            }
            #expect(record.id == Bench.id)
            #expect(attempts(bench) == 2)
            #expect(bench.participants.state.withLock { $0.connectedNow } == ["users"])
            // It failed again, and waits for longer now.
            #expect(try #require(engine.nextAttempts(of: Bench.id)[0]) > first)
            #expect(signals.sent.isEmpty)

            bench.participants.state.withLock { $0.finishReply = .done }
            _ = try await engine.retryNow(Bench.id, principal: nil)
            #expect(attempts(bench) == 3)
            #expect(engine.nextAttempts(of: Bench.id).isEmpty)
        }
    }

    @Test("a signal of another replica has the same effect")
    func obeysSignal() async throws {
        try await withWaitingBranch { bench, engine in
            await engine.receive(.retry(Bench.id))
            #expect(attempts(bench) == 2)
            await engine.receive(.retry(GlobalTransactionID(number: 99, salt: 1)))
            #expect(attempts(bench) == 2)
        }
    }

    @Test("an attempt that is under way is not doubled")
    func doublesNothing() async throws {
        try await withWaitingBranch { bench, engine in
            bench.participants.state.withLock {
                $0.answersAtOnce = false
                $0.isFinishHeld = true
            }
            for _ in 1...3 { await engine.receive(.retry(Bench.id)) }
            let limit = ContinuousClock.now + .seconds(300)
            while attempts(bench) < 2, ContinuousClock.now < limit { await Task.yield() }
            #expect(engine.nextAttempts(of: Bench.id).isEmpty)
            for _ in 1...3 { await engine.receive(.retry(Bench.id)) }
            await engine.receive(.watch(Bench.id))
            #expect(attempts(bench) == 2)
            bench.participants.letBranchesFinish()
        }
    }

    @Test("a queue has what this replica knows to be in it, whatever the row says")
    func listsQueue() async throws {
        try await withWaitingBranch { bench, engine in
            // The row as it was before the decision.
            bench.log.put(Bench.row(.twoPhase))
            bench.log.state.withLock { $0.nextCursor = 1 }
            for (queue, count) in [
                (.running, 0), (.inDoubt, 0), (.retrying, 1), (.needsOperator, 1),
            ] as [(TransactionQueue, Int)] {
                var filter = RecordFilter()
                filter.queue = queue
                let page = try await engine.list(filter)
                #expect(page.records.count == count, "\(queue)")
                // A short page says where the next one begins.
                #expect(page.next == 1)
            }
        }
    }

    @Test("another replica's transaction: its owner is signalled")
    func signalsOwner() async throws {
        let bench = Bench()
        let engine = engine(over: bench)
        var row = Bench.row(.twoPhase, decision: .commit)
        row.state = .committing
        bench.log.put(row)
        guard case .asked = try await engine.retryNow(Bench.id, principal: nil) else {
            Issue.record("expected that the owner is asked")
            return
        }
        #expect(signals.sent == [.retry(Bench.id)])
        #expect(attempts(bench) == 0)
        #expect(engine.nextAttempts(of: Bench.id).isEmpty)
    }

    @Test("nothing is asked where nothing can be tried")
    func refuses() async throws {
        let bench = Bench()
        let engine = engine(over: bench)
        guard case .notFound = try await engine.retryNow(Bench.id, principal: nil) else {
            Issue.record("expected that there is none")
            return
        }
        bench.log.put(Bench.row(.twoPhase))
        guard case .undecided = try await engine.retryNow(Bench.id, principal: nil) else {
            Issue.record("expected that nothing is decided")
            return
        }
        guard case .notFound = try await engine.retryNow(Bench.id, principal: "another") else {
            Issue.record("expected that another principal does not see it")
            return
        }
        var row = Bench.row(.twoPhase, decision: .commit)
        row.state = .committed
        row.finishedAt = 1
        row.branches[0].outcome = .committed
        bench.log.put(row)
        guard case .finished = try await engine.retryNow(Bench.id, principal: nil) else {
            Issue.record("expected that it is finished")
            return
        }
        #expect(signals.sent.isEmpty)
    }
}

/// Keeps the signals that were sent.
@LoopActor
private final class RecordedSignals: ReplicaSignals {
    private(set) var sent: [ReplicaSignal] = []

    nonisolated init() {}

    func send(_ signal: ReplicaSignal) async { sent.append(signal) }
}
