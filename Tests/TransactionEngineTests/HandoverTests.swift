import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

/// A task that does not prefer the loop is enqueued anew at every await, and other tasks run between
/// what it read and what it waits for.
@Suite("What happens right before a wait begins", .timeLimit(.minutes(20)))
struct HandoverTests {
    @Test("drain does not wait for what has finished", arguments: 0..<12)
    @LoopActor
    func drain(afterTurns turns: Int) async {
        let bench = Bench()
        bench.log.state.withLock {
            $0.decision = .decided(.commit, evidence: [nil])
            $0.isFinishHeld = true
        }
        _ = await bench.run(nil)
        while bench.log.state.withLock({ $0.finishing.isEmpty }) { await Task.yield() }
        // The record lands some turns of the loop before the wait begins, or after it.
        bench.log.letFinishRecordsLand()
        for _ in 0..<turns { await Task.yield() }
        #expect(await bench.engine.drain(within: .seconds(300)))
    }
}
