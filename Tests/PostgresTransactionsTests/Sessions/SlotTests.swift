import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The slot of a branch", .timeLimit(.minutes(2)))
@LoopActor
struct SlotTests {
    @Test("is held until the branch has ended, also where somebody else ends it")
    func endedElsewhere() async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { @LoopActor cluster in
            let state = try await StateDatabase.open(cluster, "one")
            var options = ParticipantOptions(
                name: "users",
                connection: try ConnectionOptions(conninfo: cluster.connectionString()))
            options.connectTimeout = .seconds(60)
            options.preparedSlots = 1
            let participants = try PostgresParticipants(
                [options], state: state, queueMax: 10, logger: Logger(label: "test"))
            let request = SessionRequest(participant: "users", ending: .twoPhase)
            let session = try #require(
                try await participants.reserve([request], within: .seconds(60)).first)
            let gid = "tandem:\(state.installation):1-0000000000000001:0"
            let work = WorkOrder(
                gid: gid, work: .statements([Statement(sql: "CREATE TABLE t ()")]),
                isolation: .readCommitted, ending: .twoPhase)
            guard case .prepared = await session.work(work).reply else {
                Issue.record("it was not prepared")
                return
            }
            // What is prepared still holds its slot.
            #expect(try await participants.prepared(in: "users").map(\.found.name) == [gid])
            await #expect(throws: AdmissionFailure.slotsExhausted(name: "users")) {
                try await participants.reserve([request], within: .seconds(60))
            }
            _ = try await cluster.psql("ROLLBACK PREPARED '\(gid)'")
            #expect(try await participants.prepared(in: "users").isEmpty)
            for session in try await participants.reserve([request], within: .seconds(60)) {
                await session.release()
            }
            await participants.close()
            await state.close()
        }
    }
}
