import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("Signals of other replicas", .timeLimit(.minutes(20)))
struct SignalTests {
    @Test("end a status's wait for a finish record, which the owner is asked to announce")
    func finishRecord() async throws {
        let bench = await Bench()
        var row = Bench.row(.twoPhase, decision: .commit)
        row.state = .committing
        bench.log.put(row)
        bench.participants.state.withLock { $0.reading = .silent }
        let asking = Task { try await bench.status() }
        while bench.clock.armed == 0 { await Task.yield() }
        #expect(bench.signals.sent == [.watch(Bench.id)])
        row.state = .committed
        row.finishedAt = 1
        bench.log.put(row)
        // The clock stands still.
        await bench.engine.receive(.finished(Bench.id))
        #expect(try await asking.value?.state == .committed)
        #expect(bench.signals.sent == [.watch(Bench.id)])
    }

    @Test("have an abort written again that the log did not answer, when they are back")
    func abort() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase))
        let rollingBack = Task { try await bench.engine.rollBack(Bench.id, principal: "p") }
        while bench.clock.armed == 0 { await Task.yield() }
        #expect(bench.log.state.withLock { $0.decisions } == 1)
        var row = Bench.row(.twoPhase, decision: .abort)
        row.state = .aborted
        row.finishedAt = 1
        bench.log.put(row)
        bench.log.state.withLock { $0.decision = .decided(.abort, evidence: [nil]) }
        // The clock stands still.
        await bench.engine.receive(nil)
        guard case .known(let record) = try await rollingBack.value else {
            Issue.record("expected the abort")
            return
        }
        #expect(record.state == .aborted)
        #expect(bench.log.state.withLock { $0.decisions } == 2)
    }

    @Test("are not needed: an abort is written again after a pause that grows")
    func abortAfterPause() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase))
        let isAnswered = Lock(false)
        let rollingBack = Task {
            defer { isAnswered.withLock { $0 = true } }
            return try await bench.engine.rollBack(Bench.id, principal: "p")
        }
        while !isAnswered.withLock({ $0 }) {
            bench.clock.attempt(within: 1000)
            await Task.yield()
        }
        guard case .outcomeUnknown = try await rollingBack.value else {
            Issue.record("the log never answered")
            return
        }
        // The clock jumps by a second: at 0, 1, 2, 3, 4 and 5 seconds.
        #expect(bench.log.state.withLock { $0.decisions } == 6)
    }
}
