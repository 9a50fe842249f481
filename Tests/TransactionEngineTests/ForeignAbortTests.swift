import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("An abort that another replica recorded")
struct ForeignAbortTests {
    @Test("I5: reports an abort that others may have reported while its branches still work")
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
        let reported = try await Self.reported(running, bench, rolledBack: id) {
            bench.participants.state.withLock { $0.finishRequests.isEmpty }
        }
        #expect(reported.decision == .abort)
    }

    @Test("answers with the row's problem and no results after it asked for a commit")
    func afterCommitWasAskedFor() async throws {
        let bench = await Bench()
        let running = Task { await bench.run(nil) }
        while bench.log.state.withLock({ $0.decisions == 0 }) { await Task.yield() }
        var row = Bench.row(.twoPhase, decision: .abort, number: 2, salt: 2)
        row.problem = [9]
        bench.log.put(row)
        let reported = try await Self.reported(running, bench, rolledBack: row.id) {
            bench.log.state.withLock { $0.decisions == 1 }
        }
        #expect(reported.decision == .abort)
        #expect(reported.problem == [9])
        #expect(reported.results == nil)
    }

    /// The caller's answer once another replica's abort is obeyed; lets time pass until then.
    private static func reported(
        _ running: Task<TransactionAnswer, Never>, _ bench: Bench,
        rolledBack id: GlobalTransactionID, while isPending: () -> Bool
    ) async throws -> TransactionRecord {
        await bench.engine.receive(.rollBack(id))
        bench.log.state.withLock { $0.decision = .decided(.abort, evidence: [nil]) }
        while isPending() {
            bench.clock.attempt(within: 50)
            await Task.yield()
        }
        guard case .known(let reported) = await running.value else {
            throw Undecided()
        }
        return reported
    }

    /// It was decided, and the answer says otherwise.
    private struct Undecided: Error {}
}
