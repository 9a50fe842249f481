import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// A task that does not prefer the loop leaves it at every await, and others have their turn between
/// what it saw and what it waits for.
@Suite("Events right before a wait are not missed", .timeLimit(.minutes(20)))
@LoopActor
struct HandoverTests {
    private static let logger = Logger(label: "test")
    /// Of the loop, between what happens and who waits for it: one of them is the moment in between.
    private static let turns = 0..<8

    @Test("takes a session given back before the wait")
    func sessions() async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { cluster in
            try await Self.sessions(cluster)
        }
    }

    private static func sessions(_ cluster: PostgresCluster) async throws {
        var options = ParticipantOptions(
            name: "users", connection: try ConnectionOptions(conninfo: cluster.connectionString()))
        options.poolSize = 1
        options.connectTimeout = .seconds(300)
        let participants = try PostgresParticipants(
            logless: [options], installation: "i", allowsFsyncOff: true, queueMax: 10,
            loop: .shared, logger: logger)
        let wanted = [SessionRequest(participant: "users", commitMode: .twoPhase)]
        let day = Duration.seconds(86_400)
        for turns in turns {
            let lent = try await participants.reserve(wanted, within: day)
            let giving = onLoop {
                for _ in 0..<turns { await Task.yield() }
                lent[0].release()
            }
            let next = try await participants.reserve(wanted, within: day)
            await giving.value
            next[0].release()
        }
        await participants.close()
    }

    /// Runs a body on the loop as soon as the task that calls this awaits something.
    private static func onLoop<Value: Sendable>(
        _ body: @escaping @LoopActor @Sendable () async -> Value
    ) -> Task<Value, Never> {
        Task(executorPreference: EventLoop.shared) { await body() }
    }
}
