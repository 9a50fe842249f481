import EventLoop
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// All but one of the requests that need a locked row only wait for it: they must not do so in every
/// session.
@Suite(
    "Contended requests leave sessions, and places in the queue, to others",
    .timeLimit(.minutes(20))
)
@LoopActor
struct ContendedAdmissionTests {
    private static let hot = 1
    private static let cold = 2

    @Test("forty requests wait for two sessions, and another one is served at once")
    func others() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot)
            var lent = [try await bed.take(Self.hot), try await bed.take(Self.hot)]
            var waiting: [Task<SessionBed.Sessions, any Error>] = []
            for _ in 0..<40 { waiting.append(await bed.ask(Self.hot)) }
            let tickets = bed.lastTicket
            let others = [try await bed.take(Self.cold), try await bed.take(Self.cold)]
            // They had no place in the queue.
            #expect(bed.lastTicket == tickets)
            await bed.release(others)
            for (index, next) in waiting.enumerated() {
                #expect(bed.waitingCount == waiting.count - index)
                await bed.release([lent.removeFirst()])
                lent.append(try await next.value)
                #expect(bed.contendedSessions("a") == 2)
            }
            await bed.release(lent)
            #expect(bed.contendedSessions("a") == 0)
        }
    }

    @Test("a session that is closed makes room as well")
    func closed() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot)
            let others = [try await bed.take(Self.cold), try await bed.take(Self.cold)]
            let lent = [try await bed.take(Self.hot), try await bed.take(Self.hot)]
            await bed.release(others)
            let next = await bed.ask(Self.hot)
            // After a cancel the session is not used again.
            for session in lent[0] { session.cancel() }
            await bed.release([lent[0]])
            await bed.release([try await next.value, lent[1]])
        }
    }

    @Test("a request that turns contended while it waits does not block those after it")
    func turnsContended() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            bed.noteContention(of: 9)
            let contended = try await bed.take(9)
            let other = try await bed.take(Self.cold)
            let hot = await bed.ask(Self.hot)
            let cold = await bed.ask(Self.cold)
            bed.noteContention(of: Self.hot)
            await bed.release([other])
            await bed.release([try await cold.value])
            #expect(bed.waitingCount == 1)
            await bed.release([contended])
            await bed.release([try await hot.value])
        }
    }

    @Test("no session is kept for a contended request that has no room")
    func keepsNoSession() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot)
            let contended = [try await bed.take(Self.hot), try await bed.take(Self.hot)]
            var others = [try await bed.take(Self.cold, of: "b")]
            let both = await bed.ask(Self.hot, of: "a", "b")
            for _ in 0..<3 { others.append(try await bed.take(Self.cold, of: "b")) }
            await bed.release(others + contended)
            await bed.release([try await both.value])
        }
    }

    @Test("room is kept for the contended request that has waited longest")
    func keepsRoom() async throws {
        try await SessionBed.run(poolSize: 4) { bed in
            var others: [SessionBed.Sessions] = []
            for _ in 0..<4 { others.append(try await bed.take(Self.cold, of: "b")) }
            bed.noteContention(of: Self.hot)
            let both = await bed.ask(Self.hot, of: "a", "b")
            let first = try await bed.take(Self.hot)
            let second = await bed.ask(Self.hot)
            #expect(bed.waitingCount == 2)
            await bed.release(others)
            await bed.release([try await both.value, first])
            await bed.release([try await second.value])
        }
    }

    @Test("a request with more branches than the limit is served when no other is at work")
    func moreThanTheLimit() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot)
            let one = try await bed.take(Self.hot)
            let two = await bed.ask(Self.hot, of: "a", "a")
            await bed.release([one])
            await bed.release([try await two.value])
        }
    }

    @Test("a transaction that runs again is served before the others of its line")
    func runsAgain() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot)
            let lent = try await bed.take(Self.hot)
            let first = await bed.ask(Self.hot)
            let again = await bed.ask(Self.hot, runsAgain: true)
            await bed.release([lent])
            let sessions = try await again.value
            #expect(bed.waitingCount == 1)
            await bed.release([sessions])
            await bed.release([try await first.value])
        }
    }

    @Test("they have half of the queue; one that runs again has any place that is left")
    func queue() async throws {
        try await SessionBed.run(poolSize: 2, queueMax: 4) { bed in
            bed.noteContention(of: Self.hot)
            let lent = [try await bed.take(Self.hot), try await bed.take(Self.cold)]
            var waiting = [await bed.ask(Self.hot), await bed.ask(Self.hot)]
            await #expect(throws: AdmissionFailure.overloaded(.waitingContended(limit: 2))) {
                try await bed.take(Self.hot)
            }
            waiting.append(await bed.ask(Self.cold))
            waiting.append(await bed.ask(Self.hot, runsAgain: true))
            for shape in [Self.hot, Self.cold] {
                await #expect(throws: AdmissionFailure.overloaded(.waiting(limit: 4))) {
                    try await bed.take(shape)
                }
            }
            await bed.release([lent[0]])
            let again = try await waiting[3].value
            await bed.release([lent[1]])
            await bed.release([try await waiting[2].value, again])
            for next in waiting[..<2] { await bed.release([try await next.value]) }
        }
    }

    @Test("the refusal after the time says what they wait for")
    func refusal() async throws {
        try await SessionBed.run(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot)
            let lent = [try await bed.take(Self.hot), try await bed.take(Self.cold)]
            await bed.release([lent[1]])
            let limit = Duration.milliseconds(10)
            await #expect(
                throws: AdmissionFailure.participantBusy(
                    name: "a", sessions: SessionUsage(limit: 2, open: 2, contendedLimit: 1),
                    waited: limit)
            ) {
                try await bed.participants.reserve(bed.requests(Self.hot, of: ["a"]), within: limit)
            }
            await bed.release([lent[0]])
        }
    }
}
