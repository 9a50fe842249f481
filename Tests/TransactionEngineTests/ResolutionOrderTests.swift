import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("An operator's statement finishes a branch; an operator's order proves nothing")
@LoopActor
struct ResolutionOrderTests {
    /// A bench that has taken over a decided transaction whose branch cannot be finished yet.
    private func benchWithOpenBranch() async throws -> Bench {
        let bench = Bench()
        bench.participants.state.withLock {
            $0.finishReply = .tryAgain
            $0.answersAtOnce = true
        }
        var row = Bench.row(.twoPhase, decision: .commit)
        row.state = .committing
        try await bench.takeOver(row)
        return bench
    }

    private func record(isOrder: Bool, in bench: Bench) async {
        var resolution = Resolution(
            branch: 0, action: .committed, actor: "on call", reason: "checked", isForced: true)
        resolution.isOrder = isOrder
        bench.log.state.withLock { [resolution] in $0.resolutions = [resolution] }
        await bench.engine.receive(.resolved(Bench.id))
    }

    @Test("the branch that is stated to be committed is finished, and nothing more is sent")
    func statement() async throws {
        let bench = try await benchWithOpenBranch()
        let attempts = bench.participants.state.withLock { $0.finishRequests.count }
        await record(isOrder: false, in: bench)
        while bench.engine.inFlight > 0 { await Task.yield() }
        #expect(bench.participants.state.withLock { $0.finishRequests.count } == attempts)
        #expect(try await bench.status()?.branches[0].outcome == .committed)
    }

    @Test("a branch that is ordered to be committed is tried until its participant answers")
    func order() async throws {
        let bench = try await benchWithOpenBranch()
        await record(isOrder: true, in: bench)
        #expect(bench.engine.inFlight == 1)
        #expect(try await bench.status()?.branches[0].outcome == nil)
        bench.participants.state.withLock { $0.finishReply = .done }
        _ = try await bench.engine.retryNow(Bench.id, principal: nil)
        while bench.engine.inFlight > 0 { await Task.yield() }
        #expect(try await bench.status()?.branches[0].outcome == .committed)
    }
}
