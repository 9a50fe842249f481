import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("A key that a running request on this replica uses")
struct RunningKeyTests {
    @Test("I5: names the key's transaction only once its row is durable")
    func beforeAndAfterAcceptance() async {
        let bench = await Bench()
        bench.participants.state.withLock { $0.isEndless = true }
        bench.log.state.withLock { $0.isAcceptHeld = true }
        let running = Task { await Self.run(bench, request: 2) }
        while bench.log.state.withLock({ $0.accepting.isEmpty }) { await Task.yield() }
        for request: UInt8 in [2, 3] {
            guard case .keyInProgress(nil) = await Self.run(bench, request: request) else {
                Issue.record("request \(request) got the id of a row that may never be there")
                continue
            }
        }
        bench.log.letAcceptancesLand()
        while bench.participants.state.withLock({ $0.working.isEmpty }) { await Task.yield() }
        let id = GlobalTransactionID(number: 2, salt: 2)
        if case .keyInProgress(let reported) = await Self.run(bench, request: 2) {
            #expect(reported == id)
        } else {
            Issue.record("the same request is still running")
        }
        if case .keyReused(let reported) = await Self.run(bench, request: 3) {
            #expect(reported == id)
        } else {
            Issue.record("expected keyReused, as another replica would answer")
        }
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        bench.participants.cancelWork()
        guard case .known = await running.value else {
            Issue.record("the first request is no replay")
            return
        }
    }

    @Test("I3, I5: names the transaction of a key only if its row is confirmed")
    func rowThatMayBeLost() async {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase))
        for refuses in [true, false] {
            bench.log.state.withLock { $0.refusesConfirmations = refuses }
            let id = refuses ? nil : Bench.id
            switch await Self.run(bench, request: 2) {
            case .keyInProgress(let reported): #expect(reported == id)
            default: Issue.record("the first request is still running")
            }
            switch await Self.run(bench, request: 3) {
            case .keyInProgress(nil) where refuses: break
            case .keyReused(let reported): #expect(reported == id)
            default: Issue.record("the key was used by another request")
            }
        }
    }

    @Test("never reports the key of a decided row as unused")
    func decidedRowThatCannotBeConfirmed() async {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase, decision: .commit))
        bench.log.state.withLock { $0.refusesConfirmations = true }
        guard case .keyInProgress(nil) = await bench.replay() else {
            Issue.record("a caller that gets nothing-accepted would take another key")
            return
        }
    }

    private static func run(_ bench: Bench, request: UInt8) async -> TransactionAnswer {
        await bench.run(.init(keyDigest: [1], requestDigest: [request]))
    }
}
