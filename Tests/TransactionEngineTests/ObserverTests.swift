import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("What an observer of the engine gets", .timeLimit(.minutes(20)))
struct ObserverTests {
    /// Keeps each event as a short text.
    private final class Recorder: EngineObserver {
        let events = Lock<[String]>([])

        func observe(_ event: EngineEvent) {
            let text =
                switch event {
                case .answered(.known(let record), _): "answered \(record.state.rawValue)"
                case .answered(.refused, _): "refused"
                case .answered: "answered otherwise"
                case .retried(let record, _): "retried \(record.id)"
                case .ended(let transaction): "ended \(transaction.state.rawValue)"
                case .finishFailed(let participant, let isRetryable):
                    "failed \(participant) \(isRetryable)"
                case .heuristicOutcome(let participant): "heuristic \(participant)"
                case .recoveryPass(let pass): "adopted \(pass.adoptedCount)"
                case .recoveryFailed: "recovery failed"
                case .recovered(let action): "\(action)"
                case .scanned(let scan): "scanned \(scan.participant) \(scan.reportedCount)"
                case .scanFailed(let participant): "scan failed \(participant)"
                }
            events.withLock { $0.append(text) }
        }
    }

    private let recorder = Recorder()

    private var events: [String] { recorder.events.withLock { $0 } }

    private func until(_ event: String) async throws {
        while !events.contains(event) {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test("reports the answer and the end of a transaction, and a refusal")
    func reportsAnswerAndEnd() async throws {
        let bench = await Bench(observers: [recorder])
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        _ = await bench.run(nil)
        try await until("ended committed")
        #expect(Set(events) == ["answered committed", "ended committed"])
        #expect(await bench.engine.drain(within: .seconds(300)))
        _ = await bench.run(nil)
        #expect(events.last == "refused")
    }

    @Test("reports a branch that ended against the decision once")
    func reportsHeuristicOutcomeOnce() async throws {
        let bench = await Bench(observers: [recorder])
        bench.participants.state.withLock { $0.finishReply = .provedRolledBack }
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        _ = await bench.run(nil)
        try await until("ended needsOperator")
        #expect(events.count { $0 == "heuristic users" } == 1)
    }

    @Test("reports each recovery pass and each scan")
    func reportsPassesAndScans() async throws {
        let bench = await Bench(observers: [recorder])
        try await bench.takeOver(Bench.row(.twoPhase, decision: .commit))
        try await bench.engine.scan("users")
        #expect(events.contains("adopted 1"))
        #expect(events.contains("scanned users 0"))
    }
}
