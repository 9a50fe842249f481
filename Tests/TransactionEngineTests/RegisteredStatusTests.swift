import CommitProtocol
import EventLoop
import Logging
import Testing
import TransactionEngine

/// An engine over fakes, and the row of a transaction that another replica drives.
private struct Bench {
    let clock = FakeClock()
    let log = FakeLog()
    let participants = FakeParticipants()
    let engine: TransactionEngine

    init() {
        engine = TransactionEngine(
            executor: EventLoop.shared, log: log, participants: participants, clock: clock,
            encoding: OutcomeEncoding(results: { _ in [] }, problem: { _, _, _ in [] }),
            limits: EngineLimits(), logger: Logger(label: "test"))
    }

    static let server = ServerTimeline(systemIdentifier: "7", timeline: 1)
    static let id = GlobalTransactionID(number: 1, salt: 1)

    static func row(_ ending: Ending, decision: Decision? = nil) -> TransactionRecord {
        let request = TransactionRequest(
            principal: "p", idempotency: .init(keyDigest: [1], requestDigest: [2]),
            branches: [.init(participant: "users", statements: [Statement(sql: "x")])],
            isolation: .readCommitted, timeout: .seconds(30), labels: [])
        var row = TransactionRecord(
            id: id, request: request, owner: "elsewhere", epoch: 1, acceptedAt: 0, deadline: 1,
            branches: [BranchRecord(participant: "users", gid: "g", ending: ending)])
        row.state = .preparing
        row.decision = decision
        if ending == .journal { row.journal = server }
        if ending == .onePhase { row.isDelegated = true }
        return row
    }

    func status() async throws(LogUnavailable) -> TransactionRecord? {
        try await engine.status(Self.id, principal: "p")
    }

    /// What a repeated key is told.
    func replay() async -> TransactionAnswer {
        await engine.run(
            TransactionRequest(
                principal: "p", idempotency: .init(keyDigest: [1], requestDigest: [2]),
                branches: [.init(participant: "users", statements: [Statement(sql: "x")])],
                isolation: .readCommitted, timeout: .seconds(30), labels: []))
    }

    /// Waits until the register has been asked, and a status waits for its answer.
    func untilItWaits() async {
        while clock.armed == 0 || participants.state.withLock({ $0.questions.isEmpty }) {
            await Task.yield()
        }
    }
}

@Suite("I5: a decision that a register holds, seen from another replica")
struct RegisteredStatusTests {
    @Test("what the register holds is told, though the row says nothing yet")
    func held() async throws {
        for ending in [Ending.journal, .onePhase] {
            let bench = Bench()
            bench.log.put(Bench.row(ending))
            bench.participants.state.withLock {
                $0.look = { _ in .holds(.commit, evidence: [], results: [7]) }
            }
            let status = try #require(try await bench.status())
            #expect(status.decision == .commit)
            #expect(status.state == .committing)
            #expect(status.results == [7])
            let listed = try await bench.engine.list(RecordFilter())
            #expect(listed.map(\.decision) == [.commit])
            guard case .known(let told) = await bench.replay() else {
                Issue.record("a key whose transaction is decided is answered")
                continue
            }
            #expect(told.state == .committing)
            let looks = bench.participants.state.withLock { $0.looks }
            #expect(looks.allSatisfy { $0.fence == .none && $0.participant == "users" })
        }
    }

    @Test("an abort that the register holds is told, and is no answer to a key without its reason")
    func aborted() async throws {
        let bench = Bench()
        bench.log.put(Bench.row(.journal))
        bench.participants.state.withLock {
            $0.look = { _ in .holds(.abort, evidence: [], results: nil) }
        }
        #expect(try await bench.status()?.state == .aborting)
        guard case .keyInProgress = await bench.replay() else {
            Issue.record("whoever drives it knows why, and has not said so")
            return
        }
    }

    @Test("a decision that leaves its register while it is looked for is in the row by then")
    func leaves() async throws {
        let bench = Bench()
        bench.log.put(Bench.row(.journal))
        let log = bench.log
        bench.participants.state.withLock {
            $0.look = { _ in
                log.put(Bench.row(.journal, decision: .commit))
                return .nothing
            }
        }
        #expect(try await bench.status()?.decision == .commit)
        #expect(bench.log.state.withLock { $0.confirmations } == 1)
    }

    @Test("what is in neither is undecided")
    func undecided() async throws {
        let bench = Bench()
        bench.log.put(Bench.row(.journal))
        let status = try #require(try await bench.status())
        #expect(status.decision == nil)
        #expect(status.state == .preparing)
    }

    @Test("a register that does not answer makes the status unknown, and not undecided")
    func silent() async throws {
        let bench = Bench()
        bench.log.put(Bench.row(.journal))
        for sight in [RegisterSight.unknown(reason: "x"), .unprovable(reason: "x")] {
            bench.participants.state.withLock { $0.look = { _ in sight } }
            do {
                _ = try await bench.status()
                Issue.record("nobody can say")
            } catch {
                #expect(error.isOutcomeUnknown)
            }
            guard case .keyInProgress = await bench.replay() else {
                Issue.record("an unfinished key is in use")
                continue
            }
            // A list waits for nobody.
            #expect(try await bench.engine.list(RecordFilter()).map(\.decision) == [nil])
        }
    }

    @Test("rows that decide themselves are asked of nobody")
    func ordinary() async throws {
        let bench = Bench()
        bench.log.put(Bench.row(.twoPhase))
        #expect(try await bench.status()?.decision == nil)
        #expect(bench.participants.state.withLock { $0.looks.isEmpty })
        #expect(bench.log.state.withLock { $0.confirmations } == 0)
    }

    @Test("whoever takes over says nothing before it has asked what its predecessor may have told")
    func takenOver() async throws {
        let bench = Bench()
        let row = Bench.row(.journal)
        bench.log.put(row)
        bench.log.state.withLock { $0.unowned = [row] }
        try await bench.engine.recoverOnce()
        async let status = bench.status()
        await bench.untilItWaits()
        #expect(bench.participants.answer(.decided(.commit)))
        #expect(try await status?.decision == .commit)
    }

    @Test("a question without an answer is not waited for without end")
    func unanswered() async throws {
        let bench = Bench()
        let row = Bench.row(.journal)
        bench.log.put(row)
        bench.log.state.withLock { $0.unowned = [row] }
        try await bench.engine.recoverOnce()
        async let status = bench.status()
        await bench.untilItWaits()
        bench.clock.advance(milliseconds: 5000)
        do {
            _ = try await status
            Issue.record("nobody can say")
        } catch let error as LogUnavailable {
            #expect(error.isOutcomeUnknown)
        }
        #expect(bench.participants.answer(.unprovable))
    }
}
