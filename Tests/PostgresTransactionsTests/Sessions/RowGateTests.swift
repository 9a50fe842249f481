import CommitProtocol
import EventLoop
import PostgresClient
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// A gate that stayed shut would stop all work on its row.
@Suite("Gates of contended rows", .timeLimit(.minutes(20)))
@LoopActor
struct RowGateTests {
    private static let hot = 1
    private static let row = 7

    /// How the work behind a gate ends.
    enum Way: CaseIterable {
        case prepared, held, refused, lost, cancelled, released, lostUnused, cancelledUnused
    }

    @Test("open again", arguments: Way.allCases)
    func open(_ way: Way) async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot, row: Self.row)
            let mode: CommitMode = way == .held ? .readOnly : .twoPhase
            let request = SessionRequest(
                participant: "a", commitMode: mode, shape: Self.hot, parameters: [Self.row])
            let session = try await bed.participants.reserve([request], within: .seconds(300))[0]
            let next = await bed.ask(Self.hot, row: Self.row)
            // Three sessions are idle.
            #expect(bed.waitingCount == 1)
            try await Self.end(way, session, in: bed)
            let sessions = try await next.value
            // Nothing was given back twice: the gate is shut again.
            let third = await bed.ask(Self.hot, row: Self.row)
            #expect(bed.waitingCount == 1)
            await bed.release(sessions)
            await bed.release(try await third.value)
            if way == .held { _ = await session.finish(.abort) }
        }
    }

    private static func end(
        _ way: Way, _ session: any BranchSession, in bed: SessionBed
    ) async throws {
        func reply(to sql: String, _ mode: CommitMode = .twoPhase) async throws -> WorkReply {
            try await bed.work(sql, in: session, number: 1, mode: mode).reply
        }
        let working = try #require(session as? WorkingSession)
        func begin() async -> Task<WorkReply, any Error> {
            let work = Task { try await reply(to: "SELECT pg_sleep(86400)") }
            while !working.isWorking { await Task.yield() }
            return work
        }
        switch way {
        case .prepared:
            let prepared = try await reply(to: "SELECT 1")
            guard case .prepared = prepared else {
                Issue.record("\(prepared)")
                return
            }
        case .held: #expect(try await reply(to: "SELECT 1", .readOnly) == .held)
        case .refused: #expect(try await reply(to: "SELECT 1 / 0") == .refused)
        case .lost:
            let work = await begin()
            working.connection.close()
            #expect(try await work.value == .lost)
        case .cancelled:
            let work = await begin()
            session.cancel()
            _ = try await work.value
        case .released: session.release()
        case .lostUnused:
            working.connection.close()
            #expect(try await reply(to: "SELECT 1") == .refused)
        case .cancelledUnused:
            session.cancel()
            #expect(try await reply(to: "SELECT 1") == .refused)
        }
    }

    @Test("let the next one wait for the lock of the one that has voted, and no other")
    func next() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot, row: Self.row)
            let lock = "SELECT pg_advisory_xact_lock(7)"
            let held = SessionRequest(
                participant: "a", commitMode: .readOnly, shape: Self.hot, parameters: [Self.row])
            let first = try await bed.participants.reserve([held], within: .seconds(300))[0]
            let second = await bed.ask(Self.hot, row: Self.row)
            let third = await bed.ask(Self.hot, row: Self.row)
            #expect(try await bed.work(lock, in: first, number: 1, mode: .readOnly).reply == .held)
            let session = try await second.value[0]
            let work = Task { try await bed.work(lock, in: session, number: 2) }
            while try await bed.participants.waits(in: "a").isEmpty {}
            #expect(bed.waitingCount == 1)
            _ = await first.finish(.abort)
            guard case .prepared = try await work.value.reply else {
                Issue.record("the next one did not go on")
                return
            }
            await bed.release(try await third.value)
        }
    }

    @Test("are passed by waiting requests only, which take no session from others")
    func others() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot, row: Self.row)
            var lent = try await bed.take(Self.hot, row: Self.row)
            var waiting: [Task<SessionBed.Sessions, any Error>] = []
            for _ in 0..<40 { waiting.append(await bed.ask(Self.hot, row: Self.row)) }
            // Other SQL, and another row.
            let tickets = bed.lastTicket
            await bed.release(try await bed.take())
            await bed.release(try await bed.take(Self.hot, row: Self.row + 1))
            #expect(bed.lastTicket == tickets)
            for (index, next) in waiting.enumerated() {
                #expect(bed.waitingCount == waiting.count - index)
                await bed.release(lent)
                lent = try await next.value
            }
            await bed.release(lent)
        }
    }

    @Test("go on to the next request if one gives up, or its time is over")
    func left() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            for name in ["a", "b"] { bed.noteContention(of: Self.hot, row: Self.row, in: name) }
            let inB = try await bed.take(Self.hot, row: Self.row, of: "b")
            // The gate of `a` is open, and kept for this one.
            let both = await bed.ask(Self.hot, row: Self.row, of: "a", "b")
            let onlyA = await bed.ask(Self.hot, row: Self.row)
            await bed.endOfTurn()
            #expect(bed.waitingCount == 2)
            both.cancel()
            await bed.release(try await onlyA.value)
            await #expect(throws: AdmissionFailure.cancelled) { try await both.value }
            let late = await bed.ask(
                Self.hot, row: Self.row, of: "a", "b", within: .milliseconds(500))
            let next = await bed.ask(Self.hot, row: Self.row)
            let failure = AdmissionFailure.participantBusy(
                name: "b", sessions: SessionUsage(limit: 4, open: 4, contendedLimit: 1),
                waited: .milliseconds(500))
            await #expect(throws: failure) { try await late.value }
            await bed.release(try await next.value)
            await bed.release(inB)
        }
    }

    @Test("are passed at once by the branches of one transaction, and open when all have voted")
    func sameRow() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot, row: Self.row)
            let lent = try await bed.take(Self.hot, row: Self.row, of: "a", "a")
            let next = await bed.ask(Self.hot, row: Self.row)
            await bed.release([lent[0]])
            #expect(bed.waitingCount == 1)
            await bed.release([lent[1]])
            await bed.release(try await next.value)
        }
    }

    @Test("hold the requests that wait when a row turns out to be contended")
    func turnsContended() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            let lent = try await bed.take() + bed.take()
            let waiting = [
                await bed.ask(Self.hot, row: Self.row), await bed.ask(Self.hot, row: Self.row),
            ]
            bed.noteContention(of: Self.hot, row: Self.row)
            await bed.release(lent)
            let first = try await waiting[0].value
            #expect(bed.waitingCount == 1)
            await bed.release(first)
            await bed.release(try await waiting[1].value)
        }
    }

    @Test("let nobody in whose session would wait as well, if half of the sessions wait for long")
    func longWaits() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            for row in 1...3 { bed.noteContention(of: Self.hot, row: row) }
            let blocker = try await bed.take(of: "b")[0]
            let held = SessionRequest(participant: "b", commitMode: .readOnly)
            let holder = try await bed.participants.reserve([held], within: .seconds(300))[0]
            let lock = "SELECT pg_advisory_xact_lock(7)"
            #expect(try await bed.work(lock, in: holder, number: 1, mode: .readOnly).reply == .held)
            blocker.release()
            var work: [Task<WorkReport, any Error>] = []
            for row in 1...2 {
                let session = try await bed.take(Self.hot, row: row)[0]
                // Shared, so that the one that votes first does not keep the other waiting.
                let shared = "SELECT pg_advisory_xact_lock_shared(7)"
                work.append(
                    Task { try await bed.work(shared, in: session, number: Int64(row + 1)) })
            }
            while bed.contendedSessions("a") != 2 { await Task.yield() }
            let third = await bed.ask(Self.hot, row: 3)
            // Two sessions are idle, for others.
            await bed.release(try await bed.take() + bed.take())
            #expect(bed.waitingCount == 1)
            _ = await holder.finish(.abort)
            await bed.release(try await third.value)
            for task in work { _ = try await task.value }
            #expect(bed.contendedSessions("a") == 0)
        }
    }

    @Test("open for all when the replica stops")
    func stop() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot, row: Self.row)
            let lent = try await bed.take(Self.hot, row: Self.row)
            let next = await bed.ask(Self.hot, row: Self.row)
            bed.reservations.close()
            await #expect(throws: AdmissionFailure.draining) { try await next.value }
            await bed.release(lent)
        }
    }
}
