import CommitProtocol
import EventLoop
import MetricsTestKit
import Testing
import TransactionEngine

@testable import TwoPhaseCommit

@Suite("The work of a participant over several runs")
struct WorkTests {
    private struct Thrown: Error, Equatable { let call: Int }

    /// A branch without a server.
    private struct NoBranch: OpenBranch {
        func execute(
            _ statements: [Statement]
        ) async throws(OpenBranchError) -> [StatementResult] { [] }
    }

    private static let database = Database("users", at: "")
    private static let lost = BranchFailure(.deadlock(LockCycle(waits: [])))

    private func run<Value>(_ work: Work<Value>) async -> (any Error)? {
        guard case .interactive(let interactive) = work.erased.branch.work else {
            Issue.record("expected a closure")
            return nil
        }
        do {
            try await interactive.body(NoBranch())
            return nil
        } catch {
            return error
        }
    }

    @Test("an error counts only with the no vote that it led to")
    func forgetsEarlierError() async {
        let work = Work(
            Participant(Self.database) { _ in throw Thrown(call: 1) }, executorPreference: nil)
        #expect(await run(work) as? Thrown == Thrown(call: 1))
        work.erased.branch.onRefusal?(Self.lost)
        #expect(work.erased.refusal()?.thrownError as? Thrown == Thrown(call: 1))
        #expect(work.erased.refusal()?.failure == Self.lost)
        // The next run loses its session before the closure is called.
        work.erased.branch.onRefusal?(BranchFailure(.connectionLost))
        #expect(work.erased.refusal()?.thrownError == nil)
        #expect(work.erased.refusal()?.failure == BranchFailure(.connectionLost))
    }

    @Test("the value is that of the last call")
    func returnsLastValue() async {
        let calls = Lock(0)
        let work = Work(
            Participant(Self.database) { _ in
                let call = calls.withLock {
                    $0 += 1
                    return $0
                }
                if call == 1 { throw Thrown(call: 1) }
                return call
            }, executorPreference: nil)
        #expect(await run(work) is Thrown)
        work.erased.branch.onRefusal?(Self.lost)
        #expect(await run(work) == nil)
        #expect(work.value == 2)
    }

    @Test("a call waits for the one before it, and is not made if it is cancelled meanwhile")
    func waitsForEarlierCall() async {
        let calls = Lock(0)
        let (release, go) = AsyncStream<Void>.makeStream()
        let (begun, first) = AsyncStream<Void>.makeStream()
        let work = Work(
            Participant(Self.database) { _ in
                calls.withLock { $0 += 1 }
                first.yield()
                // It does not notice that it is cancelled.
                for await _ in release { return }
            }, executorPreference: nil)
        let earlier = Task { await run(work) }
        for await _ in begun { break }
        let later = Task { await run(work) }
        later.cancel()
        go.yield()
        #expect(await earlier.value == nil)
        #expect(await later.value is CancellationError)
        #expect(calls.withLock { $0 } == 1)
    }
}
