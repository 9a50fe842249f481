import CommitProtocol
import EventLoop
import Logging
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("An end after the state database was closed", .timeLimit(.minutes(20)))
@LoopActor
struct LateEndTests {
    @Test("is left to the next incarnation, and not tried again for ever")
    func leavesEndToNextIncarnation() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await StateDatabase.open(cluster, "one")
            let log = PostgresDecisionLog(state, logger: Logger(label: "test"))
            var ended = try await log.acceptedRecord(in: "users")
            _ = await log.perform(LogWrite(.decide(.commit), of: ended))
            (ended.decision, ended.state, ended.finishedAt) = (.commit, .committed, 1)
            await state.close()
            _ = await log.perform(LogWrite(.finish, of: ended))
            #expect(
                try await cluster.psql("SELECT finished_at FROM tandem.transactions") == "")
        }
    }
}
