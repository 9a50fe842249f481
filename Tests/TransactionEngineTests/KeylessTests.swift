import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("Requests without a key")
struct KeylessTests {
    @Test("a tombstone that came before the acceptance: it never commits, and is told so")
    func tombstoneCameFirst() async throws {
        let bench = await Bench()
        bench.log.state.withLock { $0.acceptance = .keyTaken }
        guard case .neverCommits = await bench.run(nil) else {
            Issue.record("nobody but this coordinator could have committed it")
            return
        }
        while bench.participants.state.withLock({ $0.ends.isEmpty }) { await Task.yield() }
        let ends = bench.participants.state.withLock { $0.ends }
        #expect(ends.map(\.decision) == [.abort])
    }
}
