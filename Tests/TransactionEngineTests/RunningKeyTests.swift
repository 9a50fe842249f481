import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("A key that a request on this replica is using")
struct RunningKeyTests {
    @Test("I5: its transaction is told, and that it is another request, once the row is durable")
    func beforeAndAfterAcceptance() async {
        let bench = await Bench()
        bench.participants.state.withLock { $0.isEndless = true }
        bench.log.state.withLock { $0.isAcceptHeld = true }
        let running = Task { await Self.ask(bench, request: 2) }
        while bench.log.state.withLock({ $0.accepting.isEmpty }) { await Task.yield() }
        for request: UInt8 in [2, 3] {
            guard case .keyInProgress(nil) = await Self.ask(bench, request: request) else {
                Issue.record("request \(request) was told of a row that may never be there")
                continue
            }
        }
        bench.log.letAccept()
        while bench.participants.state.withLock({ $0.working.isEmpty }) { await Task.yield() }
        let id = GlobalTransactionID(number: 2, salt: 2)
        if case .keyInProgress(let told) = await Self.ask(bench, request: 2) {
            #expect(told == id)
        } else {
            Issue.record("the same request is still running")
        }
        if case .keyReused(let told) = await Self.ask(bench, request: 3) {
            #expect(told == id)
        } else {
            Issue.record("another replica would say that the key is used")
        }
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        bench.participants.cancelWork()
        guard case .known = await running.value else {
            Issue.record("the first request is no replay")
            return
        }
    }

    @Test("I3, I5: a key whose row was read is in use, and its id is told only of a row that stays")
    func rowThatMayBeLost() async {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase))
        for refuses in [true, false] {
            bench.log.state.withLock { $0.refusesConfirmations = refuses }
            let id = refuses ? nil : Bench.id
            switch await Self.ask(bench, request: 2) {
            case .keyInProgress(let told): #expect(told == id)
            default: Issue.record("the first request is still running")
            }
            switch await Self.ask(bench, request: 3) {
            case .keyInProgress(nil) where refuses: break
            case .keyReused(let told): #expect(told == id)
            default: Issue.record("the key was used by another request")
            }
        }
    }

    @Test("a key of a decided row is never told to be unused, whatever cannot be read")
    func decidedRowThatCannotBeConfirmed() async {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase, decision: .commit))
        bench.log.state.withLock { $0.refusesConfirmations = true }
        guard case .keyInProgress(nil) = await bench.replay() else {
            Issue.record("whoever is told that nothing was accepted takes another key")
            return
        }
    }

    private static func ask(_ bench: Bench, request: UInt8) async -> TransactionAnswer {
        await bench.run(.init(keyDigest: [1], requestDigest: [request]))
    }
}
