import EventLoop
import Logging
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("A locked row of the state database", .timeLimit(.minutes(20)))
@LoopActor
struct LockedRowTests {
    @Test("no server process waits for it after the caller has given up")
    func endsWaitWithItsCaller() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let patient = try await StateDatabase.open(cluster, "patient")
            let log = PostgresDecisionLog(patient, logger: Logger(label: "test"))
            let id = try await log.acceptedRecord(in: "users").id
            let hold = try await cluster.hold("SELECT FROM tandem.transactions FOR UPDATE")
            let state = try await StateDatabase.open(cluster, "one") { $0.timeout = .seconds(2) }
            let reading = PostgresDecisionLog(state, logger: Logger(label: "test"))
            await #expect(throws: LogUnavailable.self) { try await reading.confirmedRecord(id) }
            try await cluster.untilLocksAreAwaited(by: 0)
            hold.release()
            await state.close()
            await patient.close()
        }
    }
}
