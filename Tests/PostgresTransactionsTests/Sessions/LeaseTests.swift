import EventLoop
import Logging
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The lease", .timeLimit(.minutes(20)))
@LoopActor
struct LeaseTests {
    @Test("is renewed while every reading session waits for a lock")
    func isRenewedWhileReadersWait() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await StateDatabase.open(cluster, "one") {
                $0.heartbeat = .seconds(86_400)
            }
            let log = PostgresDecisionLog(state, logger: Logger(label: "test"))
            let id = try await log.acceptedRecord(in: "users").id
            let hold = try await cluster.hold("SELECT FROM tandem.transactions FOR UPDATE")
            let reads = (0..<state.options.readers).map { _ in
                Task { try await log.confirmedRecord(id) }
            }
            try await cluster.untilLocksAreAwaited(by: state.options.readers)
            let before = try await cluster.psql("SELECT heartbeat_at FROM tandem.replicas")
            await state.beat()
            #expect(
                try await cluster.psql("SELECT heartbeat_at > '\(before)' FROM tandem.replicas")
                    == "t")
            hold.release()
            for read in reads { #expect(try await read.value?.id == id) }
            await state.close()
        }
    }
}
