import CommitProtocol
import EventLoop
import Testing

@testable import TransactionEngine

@Suite("The course of a transaction", .timeLimit(.minutes(20)))
struct TimelineTests {
    private typealias Moment = TransactionTimeline.Moment

    private static func known(_ answer: TransactionAnswer) throws -> TransactionRecord {
        guard case .known(let record) = answer else {
            throw Unexpected(answer: answer)
        }
        return record
    }

    private struct Unexpected: Error {
        let answer: TransactionAnswer
    }

    private static func moments(of record: TransactionRecord, _ bench: Bench) async -> [String] {
        await bench.engine.timeline(of: record).map { event in
            event.moment.rawValue + (event.branch.map { " \($0)" } ?? "")
        }
    }

    @Test("holds every moment of a commit, in order")
    func commit() async throws {
        let bench = await Bench()
        bench.log.state.withLock { $0.answersAtOnce = true }
        bench.participants.state.withLock { $0.answersAtOnce = true }
        let record = try await Self.known(
            bench.run(
                .init(keyDigest: [1], requestDigest: [2]), participants: ["users", "orders"]))
        #expect(
            await Self.moments(of: record, bench) == [
                "accepted", "acceptanceRecorded", "workBegan 0", "workBegan 1", "workEnded 0",
                "workEnded 1", "decisionRequested", "decided", "branchFinished 0",
                "branchFinished 1", "finished",
            ])
    }

    @Test("says when each moment was, by the wall clock of the beginning")
    func times() async throws {
        let bench = await Bench()
        bench.clock.advance(milliseconds: 50)
        bench.log.state.withLock {
            $0.decision = .decided(.commit, evidence: [nil])
        }
        bench.participants.state.withLock { $0.isFinishHeld = true }
        async let answer = bench.run(nil)
        while bench.participants.state.withLock({ $0.finishing.isEmpty }) { await Task.yield() }
        bench.clock.advance(milliseconds: 70)
        bench.participants.letBranchesFinish()
        let events = await bench.engine.timeline(of: try Self.known(answer))
        #expect(events.first { $0.moment == .accepted }?.at == 50_000)
        #expect(events.first { $0.moment == .branchFinished }?.at == 120_000)
        #expect(events.allSatisfy { $0.source == .replica })
    }

    @Test("keeps the last failed attempt of each branch, and measures the phases")
    func failedAttempts() {
        var timeline = TransactionTimeline(
            of: Bench.id, branchCount: 2, first: .accepted, at: 1_000_000, clock: 500)
        timeline.add(.workBegan, branch: 0, at: 510)
        timeline.add(.voted(branch: 0, .refused), at: 530)
        timeline.add(.workBegan, branch: 1, at: 515)
        timeline.add(.voted(branch: 1, .refused), at: 560)
        timeline.add(.decisionRequested, at: 561)
        timeline.add(.decided(.commit), at: 600)
        for attempt in 0..<1000 {
            timeline.add(.finished(branch: 0, .tryAgain), at: 700 + Int64(attempt))
            timeline.add(.finished(branch: 1, .tryAgain), at: 700 + Int64(attempt))
        }
        timeline.add(.finished(branch: 0, .done), at: 2000)
        timeline.add(.finished(branch: 1, .done), at: 2600)
        let events = TransactionTimeline.events(of: Bench.row(.twoPhase), timeline)
        #expect(events.count { $0.moment == .attemptFailed } == 2)
        #expect(events.filter { $0.moment == .attemptFailed }.map(\.at) == [1_001_199, 1_001_199])
        #expect(timeline.work == .microseconds(50))
        #expect(timeline.decision == .microseconds(39))
        #expect(timeline.finish == .microseconds(2000))
        #expect(timeline.whole == .microseconds(2100))
        #expect(!timeline.isSmooth)
    }

    @Test("of a row that was taken over joins what the row holds and what this replica saw")
    func takenOver() async throws {
        let bench = await Bench()
        bench.clock.advance(milliseconds: 90)
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        var row = Bench.row(.twoPhase, decision: .commit)
        row.decidedAt = 20_000
        try await bench.takeOver(row)
        while await bench.engine.inFlight > 0 { await Task.yield() }
        let record = try #require(try await bench.status())
        let events = await bench.engine.timeline(of: record)
        #expect(
            events.map(\.moment) == [
                .accepted, .decisionRequested, .takenOver, .branchFinished, .finished,
            ])
        #expect(
            events.map(\.source) == [
                .stateDatabase, .stateDatabase, .replica, .replica, .replica,
            ])
    }

    @Test("has the resolutions of operators")
    func resolutions() {
        var row = Bench.row(.twoPhase, decision: .commit)
        var resolution = Resolution(
            branch: 0, action: .committed, actor: "on call", reason: "checked", isForced: false)
        resolution.at = 77
        row.resolutions = [resolution]
        let events = TransactionTimeline.events(of: row, nil)
        #expect(
            events == [
                TimelineEvent(at: 0, .accepted, source: .stateDatabase),
                TimelineEvent(at: 77, .resolved, branch: 0, source: .stateDatabase),
            ])
    }

    @Test("is forgotten in the order of the ends, the unusual ones by themselves")
    @LoopActor
    func memory() {
        func timeline(_ number: Int64) -> TransactionTimeline {
            TransactionTimeline(
                of: GlobalTransactionID(number: number, salt: 1), branchCount: 1, first: .accepted,
                at: 0, clock: 0)
        }
        func isKept(_ number: Int64, _ memory: TimelineMemory) -> Bool {
            memory[GlobalTransactionID(number: number, salt: 1)] != nil
        }
        var memory = TimelineMemory(capacity: 5)
        memory.insert(timeline(1), .aborted)
        for number in Int64(2)...6 { memory.insert(timeline(number), .committed) }
        #expect((1...6).filter { isKept($0, memory) } == [1, 4, 5, 6])
        var slow = timeline(7)
        slow.add(.finished, at: 1_000_000)
        memory.insert(slow, .committed)
        memory.insert(timeline(8), .committed)
        #expect((1...8).filter { isKept($0, memory) } == [1, 5, 6, 7, 8])
        memory.insert(timeline(9), .aborted)
        #expect((1...9).filter { isKept($0, memory) } == [5, 6, 7, 8, 9])
        var none = TimelineMemory(capacity: 0)
        none.insert(timeline(1), .aborted)
        #expect(!isKept(1, none))
    }

    @Test("of a transaction taken over twice is the last")
    @LoopActor
    func lastOfTwo() {
        var memory = TimelineMemory(capacity: 6)
        for first in [TransactionTimeline.Moment.accepted, .takenOver] {
            let timeline = TransactionTimeline(
                of: Bench.id, branchCount: 1, first: first, at: 0, clock: 0)
            memory.insert(timeline, .aborted)
        }
        #expect(memory[Bench.id]?.isFromBeginning == false)
    }
}
