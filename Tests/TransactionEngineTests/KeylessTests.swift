import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("Requests without a key")
struct KeylessTests {
    @Test("answers neverCommits when a tombstone came before the acceptance")
    func tombstoneCameFirst() async throws {
        let bench = await Bench()
        bench.log.state.withLock { $0.acceptance = .keyTaken }
        guard case .neverCommits = await bench.run(nil) else {
            Issue.record("only this coordinator could have committed it")
            return
        }
        while bench.participants.state.withLock({ $0.finishRequests.isEmpty }) {
            await Task.yield()
        }
        let ends = bench.participants.state.withLock { $0.finishRequests }
        #expect(ends.map(\.decision) == [.abort])
    }
}
