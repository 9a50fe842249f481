import CommitProtocol
import EventLoop
import Logging
import Testing

@testable import TransactionEngine

@Suite("Control points hold what a rule chooses, and no longer than they may")
@LoopActor
struct ControlPointGateTests {
    private let row = Bench.row(.twoPhase)
    private let gate = ControlPointGate(clock: FakeClock(), logger: Logger(label: "test")) { _, _ in
    }

    /// Has the transaction begin, and returns where its branch is about to work.
    private func begin() async -> StepPlace {
        _ = await gate.reach(
            StepPlace(.accept, .before, of: .write(LogWrite(.accept, of: row))))
        return StepPlace(.work, .before, of: .branch(gid: "g"), branch: 0)
    }

    /// Keeps what the gate says of a place, nil while it holds.
    private final class Verdict: Sendable {
        let value = Lock<StepVerdict?>(nil)
    }

    private func reach(_ place: StepPlace) -> Verdict {
        let verdict = Verdict()
        gate.reach(place) { given in verdict.value.withLock { $0 = given } }
        return verdict
    }

    @Test("what is given up passes, whatever other rules say")
    func givenUp() async throws {
        for _ in 0..<2 { _ = gate.add(ControlRule(at: .working, .pause)) }
        let verdict = reach(await begin())
        #expect(verdict.value.withLock { $0 } == nil)
        gate.giveUp(gid: "g")
        #expect(verdict.value.withLock { $0 } == .goOn)
        #expect(gate.paused.isEmpty)
    }

    @Test("what was held when the process died does not go on afterwards")
    func halted() async throws {
        _ = gate.add(ControlRule(at: .working, .pause))
        let verdict = reach(await begin())
        gate.halt()
        gate.removeAll()
        #expect(verdict.value.withLock { $0 } == .disconnect)
    }

    @Test("one waits for a transaction that is held now, not for one that was")
    func heldNow() async throws {
        let rule = gate.add(ControlRule(at: .working, .pause))
        let verdict = reach(await begin())
        await gate.waitUntilPaused(by: rule, within: .seconds(1))
        gate.release(row.id, from: rule)
        #expect(verdict.value.withLock { $0 } == .goOn)
        let isOver = Lock(false)
        let waiting = Task { @LoopActor in
            await gate.waitUntilPaused(by: rule, within: .seconds(1))
            isOver.withLock { $0 = true }
        }
        for _ in 0..<100 { await Task.yield() }
        #expect(!isOver.withLock { $0 })
        // The rule's end is the end of the wait.
        _ = gate.remove(rule)
        await waiting.value
    }

    @Test("work that was cancelled is not held after it, though its PREPARE came first")
    func cancelledWork() async throws {
        _ = gate.add(ControlRule(at: .prepared, .pause))
        _ = await begin()
        let participants = FakeParticipants()
        participants.state.withLock { $0.isEndless = true }
        let session = SteppedSession(
            around: FakeSession(participants: participants, participantVersion: nil), gate: gate,
            branch: 0)
        let report = Lock<WorkReport?>(nil)
        session.work(
            WorkRequest(
                gid: "g", work: .statements([]), isolation: .readCommitted, age: row.id)
        ) { given in report.withLock { $0 = given } }
        while participants.state.withLock({ $0.working.isEmpty }) { await Task.yield() }
        session.cancel()
        while report.withLock({ $0 == nil }) { await Task.yield() }
        #expect(report.withLock { $0?.reply.isYes } == true)
        #expect(gate.paused.isEmpty)
    }
}
