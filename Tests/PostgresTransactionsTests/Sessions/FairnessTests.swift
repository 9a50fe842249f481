import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// Participants that are busy all the time hardly have an idle session in the same moment.
@Suite("Requests over several participants are not overtaken for ever", .timeLimit(.minutes(2)))
@LoopActor
struct FairnessTests {
    private typealias Sessions = [any BranchSession]

    @Test("keeps a session of one participant until the other has one as well")
    func kept() async throws {
        try await onParticipants(poolSize: 2) { participants in
            let (a, b) = (
                try await take(2, "a", participants), try await take(2, "b", participants)
            )
            let both = await ask(participants, "a", "b")
            let onlyA = await ask(participants, "a")
            let onlyB = await ask(participants, "b")
            a[0].release()
            #expect(participants.reservations.waitingCount == 3)
            b[0].release()
            await release(try await both.value)
            await release(try await onlyA.value + onlyB.value + [a[1], b[1]])
        }
    }

    @Test("frees kept sessions when the request leaves", arguments: [true, false])
    func left(isCancelled: Bool) async throws {
        try await onParticipants(poolSize: 2) { participants in
            let (a, b) = (
                try await take(2, "a", participants), try await take(2, "b", participants)
            )
            let both = await ask(
                participants, "a", "b",
                within: isCancelled ? .seconds(86_400) : .milliseconds(200))
            let onlyA = await ask(participants, "a")
            a[0].release()
            if isCancelled { both.cancel() }
            await release(try await onlyA.value)
            await #expect(throws: AdmissionFailure.self) { try await both.value }
            await release([a[1]] + b)
        }
    }

    @Test("keeps nothing of a pool with a single session")
    func single() async throws {
        try await onParticipants(poolSize: 1) { participants in
            let (a, b) = (
                try await take(1, "a", participants), try await take(1, "b", participants)
            )
            let both = await ask(participants, "a", "b")
            let onlyA = await ask(participants, "a")
            a[0].release()
            await release(try await onlyA.value)
            b[0].release()
            await release(try await both.value)
        }
    }

    /// Two participants, which are one server here.
    private func onParticipants(
        poolSize: Int,
        _ body: @escaping @LoopActor @Sendable (PostgresParticipants) async throws -> Void
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
                logless: options, installation: "i", allowsFsyncOff: true, queueMax: 10,
                logger: Logger(label: "test"))
            try await body(participants)
            await participants.close()
        }
    }

    private func take(
        _ count: Int, _ name: String, _ participants: PostgresParticipants
    ) async throws -> Sessions {
        var sessions: Sessions = []
        for _ in 0..<count {
            sessions += try await participants.reserve(requests(name), within: .seconds(60))
        }
        return sessions
    }

    /// Asks for a session of each, and returns when it waits.
    private func ask(
        _ participants: PostgresParticipants, _ names: String...,
        within limit: Duration = .seconds(86_400)
    ) async -> Task<Sessions, any Error> {
        let tickets = participants.reservations.lastTicket
        let wanted = names.flatMap(requests)
        let task = Task(executorPreference: EventLoop.shared) {
            try await participants.reserve(wanted, within: limit)
        }
        // Not how many wait: somebody else's time may be over meanwhile.
        while participants.reservations.lastTicket == tickets { await Task.yield() }
        return task
    }

    private func requests(_ name: String) -> [SessionRequest] {
        [SessionRequest(participant: name, commitMode: .twoPhase)]
    }

    private func release(_ sessions: Sessions) async {
        for session in sessions { session.release() }
    }
}
