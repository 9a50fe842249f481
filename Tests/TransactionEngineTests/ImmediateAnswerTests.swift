import CommitProtocol
import EventLoop
import Testing

@testable import TransactionEngine

/// Ports may call a completion before their function returns.
@Suite("Answers that come before the port's function returns")
struct ImmediateAnswerTests {
    private static let key = TransactionRequest.Idempotency(keyDigest: [1], requestDigest: [2])

    private static func bench(failures: [BranchFailure] = []) async -> Bench {
        let bench = await Bench()
        bench.log.state.withLock { $0.answersAtOnce = true }
        bench.participants.state.withLock {
            $0.answersAtOnce = true
            $0.failures = failures
        }
        return bench
    }

    /// The answer, which is there when `run` returns.
    @LoopActor
    private static func answer(
        _ bench: Bench, execution: TransactionRequest.ExecutionOrder = .parallel
    ) throws -> TransactionAnswer {
        var answer: TransactionAnswer?
        bench.engine.run(
            TransactionRequest(
                principal: "p", idempotency: nil,
                branches: ["users", "orders"].map {
                    .init(participant: $0, statements: [Statement(sql: "x")])
                },
                isolation: .readCommitted, timeout: .seconds(30), labels: [],
                execution: execution)
        ) { answer = $0 }
        return try #require(answer)
    }

    @Test(
        "lead to a commit in the order of the protocol, without a task",
        arguments: TransactionRequest.ExecutionOrder.allCases)
    @LoopActor
    func commit(execution: TransactionRequest.ExecutionOrder) async throws {
        let bench = await Self.bench()
        guard case .known(let record) = try Self.answer(bench, execution: execution) else {
            Issue.record("expected a commit")
            return
        }
        #expect(record.state == .committed)
        #expect(bench.log.state.withLock { $0.writes } == [.accept, .decide(.commit), .finish])
        #expect(bench.participants.state.withLock { $0.works.count } == 2)
        let finished = bench.participants.state.withLock { $0.finishRequests.map(\.decision) }
        #expect(finished == [.commit, .commit])
        #expect(bench.engine.inFlight == 0)
        #expect(bench.clock.armed == 0)
    }

    private final class Canary: Sendable {}

    @Test("leave nothing of the request behind when it has ended")
    @LoopActor
    func isForgotten() async throws {
        let bench = await Self.bench()
        weak var kept: Canary?
        func run() throws {
            let canary = Canary()
            kept = canary
            var branch = TransactionRequest.Branch(
                participant: "users", statements: [Statement(sql: "x")])
            branch.onRefusal = { [canary] _ in _ = canary }
            var answer: TransactionAnswer?
            bench.engine.run(
                TransactionRequest(
                    principal: "p", idempotency: nil, branches: [branch],
                    isolation: .readCommitted, timeout: .seconds(30), labels: [])
            ) { answer = $0 }
            _ = try #require(answer)
            #expect(kept != nil)
        }
        try run()
        // The fake's own record of it.
        bench.participants.state.withLock { $0.works = [] }
        #expect(kept == nil)
    }

    @Test("lead to an abort; a branch whose turn has not come does no work")
    @LoopActor
    func abort() async throws {
        let bench = await Self.bench(failures: [
            BranchFailure(.statement, report: .init(sqlState: "23505", message: "duplicate"))
        ])
        guard case .known(let record) = try Self.answer(bench, execution: .inOrder) else {
            Issue.record("expected an abort")
            return
        }
        #expect(record.state == .aborted)
        #expect(bench.participants.state.withLock { $0.works.count } == 1)
        #expect(bench.log.state.withLock { $0.writes } == [.accept, .decide(.abort), .finish])
        #expect(bench.engine.inFlight == 0)
    }
}
