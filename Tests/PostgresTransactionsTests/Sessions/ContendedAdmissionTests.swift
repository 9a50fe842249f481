import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// All but one of the requests that need a locked row only wait for it: they must not do so in every
/// session.
@Suite(
    "Contended requests leave sessions, and places in the queue, to others", .timeLimit(.minutes(3))
)
@LoopActor
struct ContendedAdmissionTests {
    private static let hot = 1
    private static let cold = 2

    @Test("forty requests wait for two sessions, and another one is served at once")
    func others() async throws {
        try await onParticipants(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot)
            var lent = [try await bed.take(Self.hot), try await bed.take(Self.hot)]
            var waiting: [Task<Sessions, any Error>] = []
            for _ in 0..<40 { waiting.append(await bed.ask(Self.hot)) }
            let tickets = bed.lastTicket
            let others = [try await bed.take(Self.cold), try await bed.take(Self.cold)]
            // They had no place in the queue.
            #expect(bed.lastTicket == tickets)
            await release(others)
            for (index, next) in waiting.enumerated() {
                #expect(bed.waitingCount == waiting.count - index)
                await release([lent.removeFirst()])
                lent.append(try await next.value)
                #expect(bed.contendedSessions("a") == 2)
            }
            await release(lent)
            #expect(bed.contendedSessions("a") == 0)
        }
    }

    @Test("a session that is closed makes room as well")
    func closed() async throws {
        try await onParticipants(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot)
            let others = [try await bed.take(Self.cold), try await bed.take(Self.cold)]
            let lent = [try await bed.take(Self.hot), try await bed.take(Self.hot)]
            await release(others)
            let next = await bed.ask(Self.hot)
            // After a cancel the session is not used again.
            for session in lent[0] { session.cancel() }
            await release([lent[0]])
            await release([try await next.value, lent[1]])
        }
    }

    @Test("a request that turns contended while it waits does not block those after it")
    func turnsContended() async throws {
        try await onParticipants(poolSize: 2) { bed in
            bed.noteContention(of: 9)
            let contended = try await bed.take(9)
            let other = try await bed.take(Self.cold)
            let hot = await bed.ask(Self.hot)
            let cold = await bed.ask(Self.cold)
            bed.noteContention(of: Self.hot)
            await release([other])
            await release([try await cold.value])
            #expect(bed.waitingCount == 1)
            await release([contended])
            await release([try await hot.value])
        }
    }

    @Test("no session is kept for a contended request that has no room")
    func keepsNoSession() async throws {
        try await onParticipants(poolSize: 4) { bed in
            bed.noteContention(of: Self.hot)
            let contended = [try await bed.take(Self.hot), try await bed.take(Self.hot)]
            var others = [try await bed.take(Self.cold, of: "b")]
            let both = await bed.ask(Self.hot, of: "a", "b")
            for _ in 0..<3 { others.append(try await bed.take(Self.cold, of: "b")) }
            await release(others + contended)
            await release([try await both.value])
        }
    }

    @Test("room is kept for the contended request that has waited longest")
    func keepsRoom() async throws {
        try await onParticipants(poolSize: 4) { bed in
            var others: [Sessions] = []
            for _ in 0..<4 { others.append(try await bed.take(Self.cold, of: "b")) }
            bed.noteContention(of: Self.hot)
            let both = await bed.ask(Self.hot, of: "a", "b")
            let first = try await bed.take(Self.hot)
            let second = await bed.ask(Self.hot)
            #expect(bed.waitingCount == 2)
            await release(others)
            await release([try await both.value, first])
            await release([try await second.value])
        }
    }

    @Test("a request with more branches than the limit is served when no other is at work")
    func moreThanTheLimit() async throws {
        try await onParticipants(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot)
            let one = try await bed.take(Self.hot)
            let two = await bed.ask(Self.hot, of: "a", "a")
            await release([one])
            await release([try await two.value])
        }
    }

    @Test("a transaction that runs again is served before the others of its line")
    func runsAgain() async throws {
        try await onParticipants(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot)
            let lent = try await bed.take(Self.hot)
            let first = await bed.ask(Self.hot)
            let again = await bed.ask(Self.hot, runsAgain: true)
            await release([lent])
            let sessions = try await again.value
            #expect(bed.waitingCount == 1)
            await release([sessions])
            await release([try await first.value])
        }
    }

    @Test("they have half of the queue; one that runs again has any place that is left")
    func queue() async throws {
        try await onParticipants(poolSize: 2, queueMax: 4) { bed in
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
            await release([lent[0]])
            let again = try await waiting[3].value
            await release([lent[1]])
            await release([try await waiting[2].value, again])
            for next in waiting[..<2] { await release([try await next.value]) }
        }
    }

    @Test("the refusal after the time says what they wait for")
    func refusal() async throws {
        try await onParticipants(poolSize: 2) { bed in
            bed.noteContention(of: Self.hot)
            let lent = [try await bed.take(Self.hot), try await bed.take(Self.cold)]
            await release([lent[1]])
            let limit = Duration.milliseconds(10)
            await #expect(
                throws: AdmissionFailure.participantBusy(
                    name: "a", sessions: SessionUsage(limit: 2, open: 2, contendedLimit: 1),
                    waited: limit)
            ) {
                try await bed.participants.reserve(bed.requests(Self.hot, of: ["a"]), within: limit)
            }
            await release([lent[0]])
        }
    }

    // MARK: Support

    typealias Sessions = [any BranchSession]

    /// Two participants, which are one server here.
    @LoopActor
    private struct Bed {
        let participants: PostgresParticipants

        var lastTicket: Int { participants.reservations.lastTicket }
        var waitingCount: Int { participants.reservations.waitingCount }

        func contendedSessions(_ name: String) -> Int? {
            participants.members[name]?.contendedSessions.count
        }

        /// As the lock watch of the participant `a` does.
        func noteContention(of shape: Int) {
            let request = requests(shape, of: ["a"])[0]
            participants.members["a"]?.onContention?(request, [request])
        }

        func requests(_ shape: Int, of names: [String]) -> [SessionRequest] {
            names.map { SessionRequest(participant: $0, commitMode: .twoPhase, shape: shape) }
        }

        func take(_ shape: Int, of name: String = "a") async throws -> Sessions {
            try await participants.reserve(requests(shape, of: [name]), within: .seconds(60))
        }

        /// Asks for a session of each, and returns when it waits.
        func ask(
            _ shape: Int, of names: String..., runsAgain: Bool = false
        ) async -> Task<Sessions, any Error> {
            let tickets = lastTicket
            let requests = requests(shape, of: names.isEmpty ? ["a"] : names)
            let task = Task(executorPreference: EventLoop.shared) {
                try await participants.reserve(
                    requests, runsAgain: runsAgain, within: .seconds(86_400))
            }
            while lastTicket == tickets { await Task.yield() }
            return task
        }
    }

    private func onParticipants(
        poolSize: Int, queueMax: Int = 100,
        _ body: @escaping @LoopActor @Sendable (Bed) async throws -> Void
    ) async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { @LoopActor cluster in
            let connection = try ConnectionOptions(conninfo: cluster.connectionString())
            let options = ["a", "b"].map { name in
                var options = ParticipantOptions(name: name, connection: connection)
                options.poolSize = poolSize
                options.connectTimeout = .seconds(60)
                return options
            }
            let participants = try PostgresParticipants(
                logless: options, installation: "i", allowsFsyncOff: true, queueMax: queueMax,
                // Nothing is forgotten, however long a test takes.
                contentionClock: { [now = ContinuousClock.now] in now },
                logger: Logger(label: "test"))
            let bed = Bed(participants: participants)
            // All connections are open, and idle, from here on.
            var all: [Sessions] = []
            for name in ["a", "b"] {
                for _ in 0..<poolSize { all.append(try await bed.take(Self.cold, of: name)) }
            }
            await release(all)
            try await body(bed)
            await participants.close()
        }
    }

    private func release(_ sessions: [Sessions]) async {
        for session in sessions.joined() { session.release() }
    }
}
