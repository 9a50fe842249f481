import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("I5: a finish that one replica has reported, read by another")
struct FinishStatusTests {
    private static let own = GlobalTransactionID(number: 2, salt: 2)

    private static func committing() -> TransactionRecord {
        var row = Bench.row(.twoPhase, decision: .commit)
        row.state = .committing
        row.branches[0].evidence = FakeSession.evidence
        return row
    }

    @Test("reports committed once every branch shows the commit, before the finish is recorded")
    func committed() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock { $0.reading = .committed }
        let status = try #require(try await bench.status())
        #expect(status.state == .committed)
        #expect(status.branches.map(\.outcome) == [.committed])
        #expect(status.finishedAt == nil)
        guard case .replayed(let reported) = await bench.replay() else {
            Issue.record("expected the recorded outcome of a decided key")
            return
        }
        #expect(reported.state == .committed)
        let commitPointReads = bench.participants.state.withLock { $0.commitReads }
        #expect(
            commitPointReads.allSatisfy { $0.evidence == FakeSession.evidence && $0.gid == "g" })
    }

    @Test("records what it read before it reports it: the next replica may read nothing")
    func recordsBeforeReporting() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock { $0.reading = .committed }
        // Others may have reported it, so it is reported although it cannot be recorded.
        bench.log.state.withLock { $0.isUnreachable = true }
        #expect(try await bench.status()?.state == .committed)
        bench.log.state.withLock { $0.isUnreachable = false }
        #expect(try await bench.status()?.state == .committed)
        bench.participants.state.withLock { $0.reading = .silent }
        #expect(try await bench.status()?.state == .committed)
    }

    @Test("reports but does not record a commit that no standby has confirmed")
    func unconfirmed() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock {
            ($0.reading, $0.areCommitsReplicated) = (.committed, false)
        }
        #expect(try await bench.status()?.state == .committed)
        bench.participants.state.withLock { $0.reading = .open }
        #expect(try await bench.status()?.state == .committing)
    }

    @Test("reports committing while a branch is open")
    func open() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        #expect(try await bench.status()?.state == .committing)
        #expect(bench.participants.state.withLock { $0.commitReads.count } == 1)
    }

    @Test("reads the row again when a participant is silent: the finish is being recorded")
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

    @Test("goes on reading the row after a wake-up that another request's wait caused")
    func silentWithAnotherWaiter() async throws {
        let bench = await Bench()
        bench.log.put(Self.committing())
        bench.participants.state.withLock { $0.reading = .silent }
        let asking = Task { try await bench.status() }
        while bench.clock.armed == 0 { await Task.yield() }
        // Signals may be forged, and one without an id wakes every request.
        await bench.engine.receive(.finished(Bench.id))
        await bench.engine.receive(nil)
        while bench.clock.armed == 0 { await Task.yield() }
        var row = Self.committing()
        row.state = .committed
        row.finishedAt = 1
        bench.log.put(row)
        let isAnswered = Lock(false)
        let watching = Task {
            defer { isAnswered.withLock { $0 = true } }
            return try await asking.value
        }
        while !isAnswered.withLock({ $0 }) {
            bench.clock.attempt(within: 250)
            await Task.yield()
        }
        #expect(try await watching.value?.state == .committed)
    }

    @Test("reports another replica's finished abort only after a durable write")
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
        // A failover takes it back before it was reported.
        bench.log.state.withLock { $0.confirmed = lost }
        #expect(try await bench.status()?.state == .aborting)
    }

    @Test("reports aborted once the finish is recorded, and aborting until then")
    func abortWaitsForItsRecord() async throws {
        let bench = await Bench()
        bench.log.state.withLock {
            $0.decision = .decided(.abort, evidence: [nil])
            $0.isFinishHeld = true
        }
        guard case .known(let reported) = await bench.run(nil) else {
            Issue.record("it is aborted")
            return
        }
        #expect(reported.decision == .abort)
        while bench.log.state.withLock({ $0.finishing.isEmpty }) { await Task.yield() }
        bench.log.put(Self.aborting())
        let early = try #require(
            try await status(bench) { bench.clock.advance(milliseconds: 1000) })
        #expect(early.state == .aborting)
        #expect(early.finishedAt == nil)
        #expect(try await bench.engine.list(RecordFilter()).records.map(\.state) == [.aborting])
        #expect(try await status(bench) { bench.log.letFinishRecordsLand() }?.state == .aborted)
    }

    @Test("reports needsOperator once it is recorded, and an unknown outcome until then")
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
            if isRecorded { bench.log.letFinishRecordsLand() }
            while !isAnswered.withLock({ $0 }) {
                if !isRecorded { bench.clock.attempt(within: 1000) }
                await Task.yield()
            }
            switch await running.value {
            case .known(let reported):
                #expect(isRecorded)
                #expect(reported.state == .needsOperator)
                #expect(reported.finishedAt == nil)
            case .outcomeUnknown(let id):
                #expect(!isRecorded)
                #expect(id == Self.own)
            default: Issue.record("expected an answer with what is known")
            }
            bench.log.letFinishRecordsLand()
        }
    }

    @Test("answers a repeated key with no more than the status")
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
        bench.log.letFinishRecordsLand()
    }

    /// The status, after this happens if the request waits.
    private func status(
        _ bench: Bench, whileWaiting body: () -> Void
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

    /// Runs the body while a branch of a decided transaction is being finished.
    private func finishing(
        _ decision: Decision, _ body: (Bench) async throws -> Void
    ) async throws {
        let bench = await Bench()
        bench.log.state.withLock { $0.decision = .decided(decision, evidence: [nil]) }
        bench.participants.state.withLock { $0.isFinishHeld = true }
        let running = Task { await bench.run(nil) }
        while bench.participants.state.withLock({ $0.finishRequests.isEmpty }) {
            await Task.yield()
        }
        try await body(bench)
        bench.participants.letBranchesFinish()
        guard case .known = await running.value else {
            Issue.record("expected an answer with what is known")
            return
        }
    }

    @Test("reads the branches on the owner as well: others may have read the commit already")
    func ownerOfACommit() async throws {
        try await finishing(.commit) { (bench) async throws -> Void in
            let row = Bench.row(.twoPhase, decision: .commit, number: 2, salt: 2)
            bench.log.put(row)
            #expect(
                try await bench.engine.status(of: Self.own, principal: "p")?.state == .committing)
            bench.participants.state.withLock { $0.reading = .committed }
            #expect(
                try await bench.engine.status(of: Self.own, principal: "p")?.state == .committed)
        }
    }

    @Test("reports the finish that another incarnation has recorded")
    func overtakenOwner() async throws {
        for (decision, state) in [
            (Decision.abort, TransactionState.aborted), (.commit, .needsOperator),
        ] {
            try await finishing(decision) { (bench) async throws -> Void in
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
