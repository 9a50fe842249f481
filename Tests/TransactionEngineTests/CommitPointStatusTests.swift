import CommitProtocol
import EventLoop
import Logging
import Testing
import TransactionEngine

@Suite(
    "I5: a decision that a register holds, seen from another replica", .timeLimit(.minutes(2)))
struct CommitPointStatusTests {
    @Test("what the register holds is told, though the row says nothing yet")
    func held() async throws {
        for commitMode in [CommitMode.journal, .onePhase] {
            let bench = await Bench()
            bench.log.put(Bench.row(commitMode))
            bench.participants.state.withLock {
                $0.look = { _ in .holds(.commit, evidence: [], results: [7]) }
            }
            let status = try #require(try await bench.status())
            #expect(status.decision == .commit)
            // Nothing else is to be committed.
            #expect(status.state == .committed)
            #expect(status.results == [7])
            let listed = try await bench.engine.list(RecordFilter()).records
            #expect(listed.map(\.decision) == [.commit])
            guard case .replayed(let told) = await bench.replay() else {
                Issue.record("a key whose transaction is decided is answered")
                continue
            }
            #expect(told.state == .committed)
            let looks = bench.participants.state.withLock { $0.looks }
            #expect(looks.allSatisfy { $0.fence == .none && $0.participant == "users" })
        }
    }

    @Test("an abort that the register holds is told, and is no answer to a key without its reason")
    func aborted() async throws {
        let bench = await Bench()
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
        let bench = await Bench()
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
        let bench = await Bench()
        bench.log.put(Bench.row(.journal))
        let status = try #require(try await bench.status())
        #expect(status.decision == nil)
        #expect(status.state == .preparing)
    }

    @Test("a register that does not answer makes the status unknown, and not undecided")
    func silent() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.journal))
        for reading in [CommitPointReading.unknown(reason: "x"), .unprovable(reason: "x")] {
            bench.participants.state.withLock { $0.look = { _ in reading } }
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
            #expect(try await bench.engine.list(RecordFilter()).records.map(\.decision) == [nil])
        }
    }

    @Test("a list asks a silent register once, and vouches for what it read by one write")
    func listed() async throws {
        let bench = await Bench()
        for number in 1...3 as ClosedRange<Int64> {
            bench.log.put(Bench.row(.journal, number: number))
            bench.log.put(Bench.row(.twoPhase, decision: .commit, number: 10 + number))
        }
        bench.participants.state.withLock { $0.look = { _ in .unknown(reason: "x") } }
        let list = try await bench.engine.list(RecordFilter()).records
        #expect(list.map(\.decision) == [.commit, .commit, .commit, nil, nil, nil])
        #expect(bench.participants.state.withLock { $0.looks.count } == 1)
        #expect(bench.log.state.withLock { $0.confirmations } == 1)
    }

    @Test("a row that is in another state by now ends no list before its end")
    func page() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase, number: 1))
        bench.log.put(Bench.row(.journal, number: 2))
        bench.participants.state.withLock {
            $0.look = { _ in .holds(.commit, evidence: [], results: nil) }
        }
        var filter = RecordFilter()
        filter.states = [.preparing]
        filter.limit = 1
        let first = try await bench.engine.list(filter)
        #expect(first.records.isEmpty)
        filter.before = first.next
        let second = try await bench.engine.list(filter)
        #expect(second.records.map(\.id.number) == [1])
        filter.before = second.next
        #expect(try await bench.engine.list(filter).next == nil)
    }

    @Test("a decision that is only read is told behind a durable write")
    func confirmed() async throws {
        for decision in [Decision.commit, .abort] {
            let bench = await Bench()
            bench.log.put(Bench.row(.twoPhase, decision: decision))
            #expect(try await bench.status()?.decision == decision)
            #expect(bench.log.state.withLock { $0.confirmations } == 1)
        }
    }

    @Test("rows that decide themselves are asked of nobody")
    func ordinary() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase))
        #expect(try await bench.status()?.decision == nil)
        #expect(bench.participants.state.withLock { $0.looks.isEmpty })
        #expect(bench.log.state.withLock { $0.confirmations } == 0)
    }

    @Test("whoever takes over says nothing before it has asked what its predecessor may have told")
    func takenOver() async throws {
        let bench = await Bench()
        try await bench.takeOver(Bench.row(.journal))
        async let status = bench.status()
        await bench.untilItWaits()
        #expect(bench.participants.answer(.decided(.commit)))
        #expect(try await status?.decision == .commit)
    }

    @Test("a register that was silent is asked again as soon as its participant answers")
    func answersAgain() async throws {
        let bench = await Bench()
        try await bench.takeOver(Bench.row(.journal))
        while !bench.participants.answer(.tryAgain) { await Task.yield() }
        while bench.clock.armed == 0 { await Task.yield() }
        await bench.engine.participantAnswers("orders")
        #expect(bench.clock.armed == 1, "another's return is none of its business")
        await bench.engine.participantAnswers("users")
        while !bench.participants.answer(.decided(.commit)) {
            try Task.checkCancellation()
            await Task.yield()
        }
        #expect(try await bench.status()?.decision == .commit)
    }

    @Test("a question without an answer is not waited for without end")
    func unanswered() async throws {
        let bench = await Bench()
        try await bench.takeOver(Bench.row(.journal))
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
