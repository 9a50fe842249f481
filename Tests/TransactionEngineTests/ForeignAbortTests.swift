import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("An abort that another replica wrote")
struct ForeignAbortTests {
    @Test("I5: an owner that is still at work tells an abort that others may have told")
    func whileItWorks() async throws {
        let bench = await Bench()
        bench.participants.state.withLock { $0.isEndless = true }
        let running = Task { await bench.run(nil) }
        while bench.participants.state.withLock({ $0.working.isEmpty }) { await Task.yield() }
        let id = GlobalTransactionID(number: 2, salt: 2)
        var row = Bench.row(.twoPhase, number: 2, salt: 2)
        bench.log.put(row)
        #expect(try await bench.engine.status(of: id, principal: "p")?.decision == nil)
        row.decision = .abort
        row.state = .aborting
        bench.log.put(row)
        #expect(try await bench.engine.status(of: id, principal: "p")?.state == .aborting)
        #expect(try await bench.engine.list(RecordFilter()).records.map(\.state) == [.aborting])
        let told = try await Self.told(running, bench, rolledBack: id) {
            bench.participants.state.withLock { $0.ends.isEmpty }
        }
        #expect(told.decision == .abort)
    }

    @Test("an owner that has asked for commit tells the row's reason, and no results")
    func afterCommitWasAskedFor() async throws {
        let bench = await Bench()
        let running = Task { await bench.run(nil) }
        while bench.log.state.withLock({ $0.decisions == 0 }) { await Task.yield() }
        var row = Bench.row(.twoPhase, decision: .abort, number: 2, salt: 2)
        row.problem = [9]
        bench.log.put(row)
        let told = try await Self.told(running, bench, rolledBack: row.id) {
            bench.log.state.withLock { $0.decisions == 1 }
        }
        #expect(told.decision == .abort)
        #expect(told.problem == [9])
        #expect(told.results == nil)
    }

    /// What the caller is told once another replica's abort is obeyed; lets time pass until then.
    private static func told(
        _ running: Task<TransactionAnswer, Never>, _ bench: Bench,
        rolledBack id: GlobalTransactionID, while isPending: () -> Bool
    ) async throws -> TransactionRecord {
        await bench.engine.receive(.rollBack(id))
        bench.log.state.withLock { $0.decision = .decided(.abort, evidence: [nil]) }
        while isPending() {
            bench.clock.attempt(within: 50)
            await Task.yield()
        }
        guard case .known(let told) = await running.value else {
            throw Undecided()
        }
        return told
    }

    /// It was decided, and the answer says otherwise.
    private struct Undecided: Error {}
}
