import EventLoop
import Logging
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("A row of the state database that somebody has locked", .timeLimit(.minutes(2)))
@LoopActor
struct LockedRowTests {
    @Test("is waited for by no server process for longer than by whoever asked")
    func abandoned() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let patient = try await StateDatabase.open(cluster, "patient")
            let log = PostgresDecisionLog(patient, logger: Logger(label: "test"))
            let id = try await log.acceptedRecord(in: "users").id
            let hold = try await cluster.hold("SELECT FROM tandem.transactions FOR UPDATE")
            let state = try await StateDatabase.open(cluster, "one") { $0.timeout = .seconds(2) }
            let looking = PostgresDecisionLog(state, logger: Logger(label: "test"))
            await #expect(throws: LogUnavailable.self) { try await looking.confirmedRecord(id) }
            try await cluster.untilLocksAreAwaited(by: 0)
            hold.release()
            await state.close()
            await patient.close()
        }
    }
}
