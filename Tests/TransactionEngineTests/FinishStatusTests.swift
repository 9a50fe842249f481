import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("I5: an end that was told, seen from another replica")
struct FinishStatusTests {
    private static let own = GlobalTransactionID(number: 2, salt: 2)

    private static func committing() -> TransactionRecord {
        var row = Bench.row(.twoPhase, decision: .commit)
        row.state = .committing
        row.branches[0].evidence = FakeSession.evidence
        return row
    }

    @Test("a commit that every branch shows is told, though its end is not recorded")
    func committed() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock { $0.reading = .committed }
        let status = try #require(try await bench.status())
        #expect(status.state == .committed)
        #expect(status.branches.map(\.outcome) == [.committed])
        #expect(status.finishedAt == nil)
        guard case .replayed(let told) = await bench.replay() else {
            Issue.record("a key whose transaction is decided is answered")
            return
        }
        #expect(told.state == .committed)
        let looks = bench.participants.state.withLock { $0.endLooks }
        #expect(looks.allSatisfy { $0.evidence == FakeSession.evidence && $0.gid == "g" })
    }

    @Test("what was seen is recorded before it is told, for whoever is asked next may see nothing")
    func recordedBeforeItIsTold() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock { $0.reading = .committed }
        // Others may have told it, so that it is told though it cannot be recorded.
        bench.log.state.withLock { $0.isUnreachable = true }
        #expect(try await bench.status()?.state == .committed)
        bench.log.state.withLock { $0.isUnreachable = false }
        #expect(try await bench.status()?.state == .committed)
        bench.participants.state.withLock { $0.reading = .silent }
        #expect(try await bench.status()?.state == .committed)
    }

    @Test("what no standby has confirmed is told, and not recorded: the branch may come back")
    func unconfirmed() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock {
            ($0.reading, $0.areEndsConfirmed) = (.committed, false)
        }
        #expect(try await bench.status()?.state == .committed)
        bench.participants.state.withLock { $0.reading = .open }
        #expect(try await bench.status()?.state == .committing)
    }

    @Test("a commit is under way where a branch is open, or does not show what it is")
    func open() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        #expect(try await bench.status()?.state == .committing)
        #expect(bench.participants.state.withLock { $0.endLooks.count } == 1)
    }

    @Test("where a participant is silent the row is read again: the end is just being recorded")
    func silent() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock { $0.reading = .silent }
        let asking = Task { try await bench.status() }
        while bench.clock.armed == 0 { await Task.yield() }
        bench.clock.advance(milliseconds: 50)
        while bench.clock.armed == 0 { await Task.yield() }
        var row = Self.committing()
        row.state = .committed
        row.finishedAt = 1
        bench.log.put(row)
        bench.clock.advance(milliseconds: 200)
        #expect(try await asking.value?.state == .committed)

        bench.log.put(Self.committing())
        let again = Task { try await bench.status() }
        for milliseconds in [50, 200] as [Int64] {
            while bench.clock.armed == 0 { await Task.yield() }
            bench.clock.advance(milliseconds: milliseconds)
        }
        #expect(try await again.value?.state == .committing)
    }

    @Test("an abort's end is told behind a durable write, for it may only be visible")
    func abortedElsewhere() async throws {
        let bench = await Bench()
        var row = Bench.row(.twoPhase, decision: .abort)
        row.state = .aborting
        let lost = row
        row.state = .aborted
        row.finishedAt = 1
        bench.log.put(row)
        #expect(try await bench.status()?.state == .aborted)
        #expect(bench.log.state.withLock { $0.confirmations } == 1)
        // A failover takes it back before anybody could rely on it.
        bench.log.state.withLock { $0.confirmed = lost }
        #expect(try await bench.status()?.state == .aborting)
    }

    @Test("an abort's end is told once it is recorded, and is under way until then")
    func abortWaitsForItsRecord() async throws {
        let bench = await Bench()
        bench.log.state.withLock {
            $0.decision = .decided(.abort, evidence: [nil])
            $0.isFinishHeld = true
        }
        guard case .known(let told) = await bench.run(nil) else {
            Issue.record("it is aborted")
            return
        }
        #expect(told.decision == .abort)
        while bench.log.state.withLock({ $0.finishing.isEmpty }) { await Task.yield() }
        bench.log.put(Self.aborting())
        let early = try #require(
            try await status(bench) { bench.clock.advance(milliseconds: 1000) })
        #expect(early.state == .aborting)
        #expect(early.finishedAt == nil)
        #expect(try await bench.engine.list(RecordFilter()).records.map(\.state) == [.aborting])
        #expect(try await status(bench) { bench.log.letFinish() }?.state == .aborted)
    }

    @Test("that nobody can say is told once it is recorded, and the outcome is unknown until then")
    func reportWaitsForItsRecord() async throws {
        for isRecorded in [false, true] {
            let bench = await Bench()
            bench.log.state.withLock {
                $0.delegation = .delegated(evidence: [nil])
                $0.isFinishHeld = true
            }
            let isAnswered = Lock(false)
            let running = Task {
                defer { isAnswered.withLock { $0 = true } }
                return await bench.run(nil, isOnePhase: true)
            }
            while !bench.participants.answer(.unprovable) { await Task.yield() }
            while bench.log.state.withLock({ $0.finishing.isEmpty }) { await Task.yield() }
            if isRecorded { bench.log.letFinish() }
            while !isAnswered.withLock({ $0 }) {
                bench.clock.attempt(within: 1000)
                await Task.yield()
            }
            switch await running.value {
            case .known(let told):
                #expect(isRecorded)
                #expect(told.state == .needsOperator)
                #expect(told.finishedAt == nil)
            case .outcomeUnknown(let id):
                #expect(!isRecorded)
                #expect(id == Self.own)
            default: Issue.record("it has ended")
            }
            bench.log.letFinish()
        }
    }

    @Test("a repeated key is told no more than the status")
    func repeatedKey() async throws {
        let bench = await Bench()
        bench.log.put(Bench.row(.onePhase, number: 2, salt: 2))
        try await bench.takeOver(Bench.row(.onePhase, number: 2, salt: 2))
        bench.log.state.withLock { $0.isFinishHeld = true }
        while !bench.participants.answer(.unprovable) { await Task.yield() }
        while bench.log.state.withLock({ $0.finishing.isEmpty }) { await Task.yield() }
        let isAnswered = Lock(false)
        let repeated = Task {
            defer { isAnswered.withLock { $0 = true } }
            return await bench.replay()
        }
        while !isAnswered.withLock({ $0 }) {
            bench.clock.attempt(within: 1000)
            await Task.yield()
        }
        guard case .keyInProgress = await repeated.value else {
            Issue.record("no other replica can say so yet")
            return
        }
        bench.log.letFinish()
    }

    /// What is told after this happens, if anybody waits for it.
    private func status(
        _ bench: Bench, whileItWaits body: () -> Void
    ) async throws -> TransactionRecord? {
        let isAnswered = Lock(false)
        let asking = Task {
            defer { isAnswered.withLock { $0 = true } }
            return try await bench.engine.status(of: Self.own, principal: "p")
        }
        while bench.clock.armed == 0, !isAnswered.withLock({ $0 }) { await Task.yield() }
        body()
        return try await asking.value
    }

    private static func aborting() -> TransactionRecord {
        var row = Bench.row(.twoPhase, decision: .abort, number: 2, salt: 2)
        row.state = .aborting
        return row
    }

    /// A transaction driven here whose branch's end is not answered.
    private func driven(
        _ decision: Decision, _ body: (Bench) async throws -> Void
    ) async throws {
        let bench = await Bench()
        bench.log.state.withLock { $0.decision = .decided(decision, evidence: [nil]) }
        bench.participants.state.withLock { $0.isEndHeld = true }
        let running = Task { await bench.run(nil) }
        while bench.participants.state.withLock({ $0.ends.isEmpty }) { await Task.yield() }
        try await body(bench)
        bench.participants.letEnd()
        guard case .known = await running.value else {
            Issue.record("it has ended")
            return
        }
    }

    @Test("an owner looks as well: others may have seen the commit whose answer is on its way")
    func ownerOfACommit() async throws {
        try await driven(.commit) { (bench) async throws -> Void in
            let row = Bench.row(.twoPhase, decision: .commit, number: 2, salt: 2)
            bench.log.put(row)
            #expect(
                try await bench.engine.status(of: Self.own, principal: "p")?.state == .committing)
            bench.participants.state.withLock { $0.reading = .committed }
            #expect(
                try await bench.engine.status(of: Self.own, principal: "p")?.state == .committed)
        }
    }

    @Test("an owner that was overtaken tells the end that another life has recorded")
    func overtakenOwner() async throws {
        for (decision, state) in [
            (Decision.abort, TransactionState.aborted), (.commit, .needsOperator),
        ] {
            try await driven(decision) { (bench) async throws -> Void in
                var row = Bench.row(.twoPhase, decision: decision, number: 2, salt: 2)
                row.state = state
                row.finishedAt = 1
                bench.log.put(row)
                #expect(try await bench.engine.status(of: Self.own, principal: "p")?.state == state)
                #expect(bench.log.state.withLock { $0.confirmations } == 1)
            }
        }
    }
}
