import CommitProtocol
import EventLoop
import Testing
import TransactionEngine

@Suite("A request whose transaction lost to others runs again")
struct RepeatTests {
    private static let deadlock = BranchFailure(.deadlock(LockCycle(waits: [])))
    private static let serialization = BranchFailure(
        .statement, statement: 0,
        report: BranchFailure.ServerReport(sqlState: "40001", message: "could not serialize"))
    private static let duplicate = BranchFailure(
        .statement, statement: 0,
        report: BranchFailure.ServerReport(sqlState: "23505", message: "duplicate key"))
    private static let key = TransactionRequest.Idempotency(keyDigest: [1], requestDigest: [2])

    private static func id(_ number: Int64) -> GlobalTransactionID {
        GlobalTransactionID(number: number, salt: 2)
    }

    /// A bench whose branches fail like this, one after the other, and then are prepared.
    private static func bench(_ failures: [BranchFailure]) async -> Bench {
        let bench = await Bench()
        bench.participants.state.withLock { $0.failures = failures }
        bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil]) }
        return bench
    }

    @Test("under a new id, with its key, its age and its deadline", arguments: [true, false])
    func runsAgain(hasKey: Bool) async throws {
        let bench = await Self.bench([Self.deadlock, Self.serialization])
        let answer = await bench.run(hasKey ? Self.key : nil, retriesMax: 2)
        guard case .known(let record) = answer else {
            Issue.record("expected the last run, got \(answer)")
            return
        }
        #expect(record.state == .committed)
        #expect(record.id == Self.id(4))
        #expect(record.attempt == 3)
        #expect(record.retryOf == Self.id(3))
        let successors = bench.log.state.withLock { $0.successors }
        #expect(successors.map(\.id) == [Self.id(3), Self.id(4)])
        #expect(successors.map(\.retryOf) == [Self.id(2), Self.id(3)])
        #expect(successors.allSatisfy { $0.idempotency == (hasKey ? Self.key : nil) })
        #expect(Set(successors.map(\.deadline)) == [record.deadline])
        let works = bench.participants.state.withLock { $0.works }
        #expect(works.map(\.age) == [Self.id(2), Self.id(2), Self.id(2)])
        #expect(Set(works.map(\.gid)).count == 3)
        #expect(bench.participants.state.withLock { $0.repeatedReservations } == 2)
        // The runs that were aborted name their successors.
        let first = try #require(bench.log.state.withLock { $0.rows[Self.id(2)] })
        #expect(first.decision == .abort)
        #expect(first.retriedAs == Self.id(3))
        #expect(await bench.engine.inFlight == 0)
    }

    @Test("only for a failure that may pass, and only as often as it may")
    func doesNotRunAgain() async {
        for (failures, retriesMax, attempts) in [
            ([Self.deadlock], 0, 1), ([Self.duplicate], 5, 1),
            ([Self.deadlock, Self.duplicate], 5, 2),
            (Array(repeating: Self.deadlock, count: 3), 2, 3),
        ] {
            let bench = await Self.bench(failures)
            // The abort that comes without a successor.
            bench.log.state.withLock { $0.decision = .decided(.abort, evidence: [nil]) }
            let answer = await bench.run(Self.key, retriesMax: retriesMax)
            guard case .known(let record) = answer else {
                Issue.record("expected an abort, got \(answer)")
                continue
            }
            #expect(record.state == .aborted)
            #expect(record.attempt == attempts)
            #expect(bench.log.state.withLock { $0.successors.count } == attempts - 1)
        }
    }

    @Test("not if another abort came first")
    func abortElsewhere() async {
        let bench = await Self.bench([Self.deadlock])
        bench.log.state.withLock { $0.refusesSuccessors = true }
        let answer = await bench.run(Self.key, retriesMax: 5)
        guard case .known(let record) = answer else {
            Issue.record("expected the abort, got \(answer)")
            return
        }
        #expect(record.id == Self.id(2))
        #expect(record.retriedAs == nil)
        #expect(bench.participants.state.withLock { $0.works.count } == 1)
        #expect(await bench.engine.inFlight == 0)
    }

    @Test("as the same successor, if the write had to be repeated")
    func unknownWrite() async {
        let bench = await Self.bench([Self.deadlock])
        bench.log.state.withLock { $0.answersToSuccession = [.unknown(reason: "lost")] }
        let running = Task { await bench.run(Self.key, retriesMax: 5) }
        while bench.log.state.withLock({ $0.successors.isEmpty }) { await Task.yield() }
        while bench.log.state.withLock({ $0.successors.count < 2 }) {
            bench.clock.attempt(within: 500)
            await Task.yield()
        }
        guard case .known(let record) = await running.value else {
            Issue.record("expected the run after the abort")
            return
        }
        #expect(record.id == Self.id(3))
        #expect(Set(bench.log.state.withLock { $0.successors.map(\.id) }) == [Self.id(3)])
    }

    @Test("and its outcome is unknown while the write that accepts the successor is")
    func unknownSuccessor() async {
        let bench = await Self.bench([Self.deadlock])
        bench.log.state.withLock {
            $0.answersToSuccession = Array(repeating: .unknown(reason: "lost"), count: 1000)
        }
        let running = Task { await bench.run(Self.key, retriesMax: 5) }
        while bench.log.state.withLock({ $0.successors.isEmpty }) { await Task.yield() }
        // Longer than the caller waits, and less than its deadline.
        bench.clock.advance(milliseconds: 10_000)
        // It may commit: to say that it never does would have the caller do the work twice.
        guard case .outcomeUnknown(let id) = await running.value else {
            Issue.record("expected an unknown outcome")
            return
        }
        #expect(id == Self.id(2))
    }

    @Test("only once no branch of the run before works any more")
    func waitsForEarlierWork() async throws {
        let bench = await Self.bench([Self.deadlock])
        bench.participants.state.withLock {
            $0.isEndless = true
            $0.ignoresCancel = true
        }
        let running = Task {
            await bench.run(Self.key, participants: ["users", "orders"], retriesMax: 1)
        }
        while bench.log.state.withLock({ $0.successors.isEmpty }) { await Task.yield() }
        // The abort is durable, and the other branch goes on.
        try await bench.engine.recoverOnce()
        #expect(bench.participants.state.withLock { $0.repeatedReservations } == 0)
        #expect(bench.participants.state.withLock { $0.works.count } == 2)
        bench.participants.state.withLock { $0.isEndless = false }
        bench.participants.cancelWork()
        guard case .known(let record) = await running.value else {
            Issue.record("expected the second run")
            return
        }
        #expect(record.attempt == 2)
        #expect(bench.participants.state.withLock { $0.repeatedReservations } == 1)
        #expect(bench.participants.state.withLock { $0.works.count } == 4)
    }

    /// The second run is aborted, and has not worked.
    private func expectAbort(
        _ answer: TransactionAnswer, ofSecondRunOn bench: Bench,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        guard case .known(let record) = answer else {
            Issue.record("expected the abort of the second run", sourceLocation: sourceLocation)
            return
        }
        #expect(record.id == Self.id(3), sourceLocation: sourceLocation)
        #expect(record.decision == .abort, sourceLocation: sourceLocation)
        #expect(
            bench.participants.state.withLock { $0.works.count } == 1,
            sourceLocation: sourceLocation)
    }

    /// Runs a request whose second run waits for sessions, and does something meanwhile.
    private static func whileSuccessorWaits(
        _ body: (Bench) async throws -> Void
    ) async rethrows -> (answer: TransactionAnswer, bench: Bench) {
        let bench = await bench([deadlock])
        bench.participants.state.withLock { $0.isReservationHeld = true }
        let running = Task { await bench.run(key, retriesMax: 5) }
        while bench.participants.state.withLock({ $0.reserving.isEmpty }) { await Task.yield() }
        bench.log.state.withLock { $0.decision = .decided(.abort, evidence: [nil]) }
        try await body(bench)
        return (await running.value, bench)
    }

    @Test("unless a rollback is requested while it waits for sessions")
    func rollback() async throws {
        let (answer, bench) = try await Self.whileSuccessorWaits { bench in
            let successor = try #require(bench.log.state.withLock { $0.successors.first })
            bench.log.put(successor)
            // By its first id, which is all that the caller may know.
            guard
                case .known(let record) = try await bench.engine.rollBack(
                    Self.id(2), principal: "p")
            else {
                Issue.record("expected the abort of the successor")
                return
            }
            #expect(record.id == Self.id(3))
        }
        expectAbort(answer, ofSecondRunOn: bench)
    }

    @Test("unless its deadline passes while it waits for sessions")
    func deadline() async {
        let (answer, bench) = await Self.whileSuccessorWaits { bench in
            bench.clock.advance(milliseconds: 30_000)
            bench.participants.letReservationsPass()
        }
        expectAbort(answer, ofSecondRunOn: bench)
    }

    @Test("and the replica's stop does not wait for its sessions")
    func stop() async {
        let (_, bench) = await Self.whileSuccessorWaits { bench in
            #expect(await bench.engine.rollBackAll(within: .seconds(3600)))
        }
        #expect(await bench.engine.inFlight == 0)
    }

    @Test("a recovery pass leaves its row alone before it has begun")
    func recovery() async throws {
        _ = try await Self.whileSuccessorWaits { bench in
            _ = try await bench.engine.recoverOnce()
            #expect(bench.log.state.withLock { $0.claims.last }?.contains(Self.id(3)) == true)
            bench.participants.letReservationsPass()
        }
    }

    @Test("as soon as its sessions are there, if they were refused for a reason that may pass")
    func refusedSessions() async {
        let bench = await Self.bench([Self.deadlock])
        let full = AdmissionFailure.slotsExhausted(
            name: "users", usage: SlotUsage(limit: 1, own: 1, others: 0))
        bench.participants.state.withLock {
            $0.refusals = [full, .participantUnavailable(name: "users", reason: "")]
        }
        let running = Task { await bench.run(Self.key, retriesMax: 5) }
        while bench.participants.state.withLock({ $0.repeatedReservations < 3 }) {
            bench.clock.attempt(within: 200)
            await Task.yield()
        }
        guard case .known(let record) = await running.value else {
            Issue.record("expected the run after the refusals")
            return
        }
        #expect(record.state == .committed)
        #expect(record.attempt == 2)
    }

    @Test("not on another server than the row names")
    func otherServer() async {
        let (answer, bench) = await Self.whileSuccessorWaits { bench in
            bench.participants.state.withLock { $0.version = 2 }
            bench.participants.letReservationsPass()
        }
        expectAbort(answer, ofSecondRunOn: bench)
    }

    @Test("also where a journal decides; until the log answers, no abort is reported")
    func journal() async {
        let bench = await Self.bench([Self.deadlock])
        bench.participants.state.withLock { $0.keepsJournals = true }
        bench.log.state.withLock { $0.answersToSuccession = [.unknown(reason: "lost")] }
        let running = Task { await bench.run(Self.key, retriesMax: 5) }
        while !bench.participants.answer(.decided(.abort)) { await Task.yield() }
        while bench.log.state.withLock({ $0.successors.isEmpty }) { await Task.yield() }
        // A repeated key, and the status of the run that is aborted, wait for the log's answer.
        guard case .keyInProgress = await bench.run(Self.key, retriesMax: 5) else {
            Issue.record("the key may have moved to the next run")
            return
        }
        // Longer than the caller waits.
        bench.clock.advance(milliseconds: 10_000)
        guard case .outcomeUnknown(let id) = await running.value else {
            Issue.record("the next run may commit")
            return
        }
        #expect(id == Self.id(2))
        // The caller has been answered: what was accepted meanwhile is rolled back.
        while await bench.engine.inFlight > 0 {
            _ = bench.participants.answer(.decided(.abort))
            bench.clock.attempt(within: 5000)
            await Task.yield()
        }
        #expect(bench.participants.state.withLock { $0.works.count } == 1)
    }
}

@Suite("The order in which branches work")
struct WorkOrderTests {
    private static func gids(_ bench: Bench) -> [String] {
        bench.participants.state.withLock { $0.works.map { String($0.gid.suffix(1)) } }
    }

    @Test(
        "follows the request if it says so, and the participants if their SQL was in a deadlock"
    )
    func order() async {
        let cases: [(execution: TransactionRequest.ExecutionOrder, contended: [Int]?, [String])] = [
            (.inOrder, [1, 0], ["0", "1"]), (.parallel, [1, 0], ["1", "0"]),
            (.parallel, nil, ["0", "1"]),
        ]
        for (execution, contended, expected) in cases {
            let bench = await Bench()
            bench.participants.state.withLock {
                $0.workOrder = contended
                $0.isEndless = true
            }
            bench.log.state.withLock { $0.decision = .decided(.commit, evidence: [nil, nil]) }
            let running = Task {
                await bench.run(nil, participants: ["users", "orders"], execution: execution)
            }
            let isParallel = execution == .parallel && contended == nil
            while bench.participants.state.withLock({ $0.working.isEmpty }) { await Task.yield() }
            if !isParallel { #expect(Self.gids(bench) == [expected[0]]) }
            while Self.gids(bench).count < 2 {
                bench.participants.cancelWork()
                await Task.yield()
            }
            #expect(Self.gids(bench) == expected)
            bench.participants.state.withLock { $0.isEndless = false }
            bench.participants.cancelWork()
            _ = await running.value
        }
    }
}
