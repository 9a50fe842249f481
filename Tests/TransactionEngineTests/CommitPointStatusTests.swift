import CommitProtocol
import EventLoop
import Logging
import Testing
import TransactionEngine

@Suite(
    "I5: a decision that a commit point holds, read by another replica", .timeLimit(.minutes(20)))
struct CommitPointStatusTests {
    @Test("reports what the commit point holds before the row says it")
    func held() async throws {
        for commitMode in [CommitMode.journal, .onePhase] {
            let bench = await Bench()
            bench.log.put(Bench.row(commitMode))
            bench.participants.state.withLock {
                $0.commitPoint = { _ in .holds(.commit, evidence: [], results: [7]) }
            }
            let status = try #require(try await bench.status())
            #expect(status.decision == .commit)
            // Nothing else is to be committed.
            #expect(status.state == .committed)
            #expect(status.results == [7])
            let listed = try await bench.engine.list(RecordFilter()).records
            #expect(listed.map(\.decision) == [.commit])
            guard case .replayed(let reported) = await bench.replay() else {
                Issue.record("expected the recorded outcome of a decided key")
                continue
            }
            #expect(reported.state == .committed)
            let commitPointReads = bench.participants.state.withLock { $0.commitPointReads }
            #expect(commitPointReads.allSatisfy { $0.fence == .none && $0.participant == "users" })
        }
    }

    @Test("reports the commit point's abort, which answers no key without its problem")
    func aborted() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.journal))
        bench.participants.state.withLock {
            $0.commitPoint = { _ in .holds(.abort, evidence: [], results: nil) }
        }
        #expect(try await bench.status()?.state == .aborting)
        guard case .keyInProgress = await bench.replay() else {
            Issue.record("only the owner knows the reason, and has not recorded it")
            return
        }
    }

    @Test("finds in the row a decision that leaves its commit point meanwhile")
    func leaves() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.journal))
        let log = bench.log
        bench.participants.state.withLock {
            $0.commitPoint = { _ in
                log.put(Bench.row(.journal, decision: .commit))
                return .nothing
            }
        }
        #expect(try await bench.status()?.decision == .commit)
        #expect(bench.log.state.withLock { $0.confirmations } == 1)
    }

    @Test("reports undecided what is in neither")
    func undecided() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.journal))
        let status = try #require(try await bench.status())
        #expect(status.decision == nil)
        #expect(status.state == .preparing)
    }

    @Test("reports unknown, not undecided, when the commit point does not answer")
    func silent() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.journal))
        for reading in [CommitPointReading.unknown(reason: "x"), .unprovable(reason: "x")] {
            bench.participants.state.withLock { $0.commitPoint = { _ in reading } }
            do {
                _ = try await bench.status()
                Issue.record("expected an unknown outcome")
            } catch {
                #expect(error.isOutcomeUnknown)
            }
            guard case .keyInProgress = await bench.replay() else {
                Issue.record("an unfinished key is in use")
                continue
            }
            // A list waits for nothing.
            #expect(try await bench.engine.list(RecordFilter()).records.map(\.decision) == [nil])
        }
    }

    @Test("asks a silent commit point once a list, and confirms what it read by one write")
    func listed() async throws {
        let bench = await Bench()
        for number in 1...3 as ClosedRange<Int64> {
            bench.log.put(Bench.row(.journal, number: number))
            bench.log.put(Bench.row(.twoPhase, decision: .commit, number: 10 + number))
        }
        bench.participants.state.withLock { $0.commitPoint = { _ in .unknown(reason: "x") } }
        let list = try await bench.engine.list(RecordFilter()).records
        #expect(list.map(\.decision) == [.commit, .commit, .commit, nil, nil, nil])
        #expect(bench.participants.state.withLock { $0.commitPointReads.count } == 1)
        #expect(bench.log.state.withLock { $0.confirmations } == 1)
    }

    @Test("goes on with a list after a row whose state has changed")
    func page() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase, number: 1))
        bench.log.put(Bench.row(.journal, number: 2))
        bench.participants.state.withLock {
            $0.commitPoint = { _ in .holds(.commit, evidence: [], results: nil) }
        }
        var filter = RecordFilter()
        filter.states = [.preparing]
        filter.limit = 1
        let first = try await bench.engine.list(filter)
        #expect(first.records.isEmpty)
        filter.cursor = first.next
        let second = try await bench.engine.list(filter)
        #expect(second.records.map(\.id.number) == [1])
        filter.cursor = second.next
        #expect(try await bench.engine.list(filter).next == nil)
    }

    @Test("reports a decision it only read after a durable write")
    func confirmed() async throws {
        for decision in [Decision.commit, .abort] {
            let bench = await Bench()
            bench.log.put(Bench.row(.twoPhase, decision: decision))
            #expect(try await bench.status()?.decision == decision)
            #expect(bench.log.state.withLock { $0.confirmations } == 1)
        }
    }

    @Test("asks no commit point about rows that hold their own decision")
    func ordinary() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.twoPhase))
        #expect(try await bench.status()?.decision == nil)
        #expect(bench.participants.state.withLock { $0.commitPointReads.isEmpty })
        #expect(bench.log.state.withLock { $0.confirmations } == 0)
    }

    @Test("reports nothing after a takeover before it knows what the predecessor may have reported")
    func takenOver() async throws {
        let bench = await Bench()
        try await bench.takeOver(Bench.row(.journal))
        async let status = bench.status()
        await bench.untilStatusWaits()
        #expect(bench.participants.answer(.decided(.commit)))
        #expect(try await status?.decision == .commit)
    }

    @Test("asks a silent commit point again as soon as its participant answers")
    func answersAgain() async throws {
        let bench = await Bench()
        try await bench.takeOver(Bench.row(.journal))
        while !bench.participants.answer(.tryAgain) { await Task.yield() }
        while bench.clock.armed == 0 { await Task.yield() }
        await bench.engine.participantAnswers("orders")
        #expect(bench.clock.armed == 1, "another participant's return changes nothing")
        await bench.engine.participantAnswers("users")
        while !bench.participants.answer(.decided(.commit)) {
            try Task.checkCancellation()
            await Task.yield()
        }
        #expect(try await bench.status()?.decision == .commit)
    }

    @Test("gives up waiting for a commit point's answer")
    func unanswered() async throws {
        let bench = await Bench()
        try await bench.takeOver(Bench.row(.journal))
        async let status = bench.status()
        await bench.untilStatusWaits()
        bench.clock.advance(milliseconds: 5000)
        do {
            _ = try await status
            Issue.record("expected an unknown outcome")
        } catch let error as LogUnavailable {
            #expect(error.isOutcomeUnknown)
        }
        #expect(bench.participants.answer(.unprovable))
    }
}
