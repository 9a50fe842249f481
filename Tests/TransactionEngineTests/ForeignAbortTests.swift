import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("An abort that another replica wrote")
struct ForeignAbortTests {
    @Test("an owner that has asked for commit tells the row's reason, and no results")
    func afterCommitWasAskedFor() async throws {
        let bench = Bench()
        let running = Task { await bench.run(nil) }
        while bench.log.state.withLock({ $0.decisions == 0 }) { await Task.yield() }
        var row = Bench.row(.twoPhase, decision: .abort, number: 2, salt: 2)
        row.problem = [9]
        bench.log.put(row)
        await bench.engine.receive(.rollBack(row.id))
        bench.log.state.withLock { $0.decision = .decided(.abort, evidence: [nil]) }
        while bench.log.state.withLock({ $0.decisions == 1 }) {
            bench.clock.advance(milliseconds: 1)
            await Task.yield()
        }
        guard case .known(let told) = await running.value else {
            Issue.record("it was decided")
            return
        }
        #expect(told.decision == .abort)
        #expect(told.problem == [9])
        #expect(told.results == nil)
    }
}
