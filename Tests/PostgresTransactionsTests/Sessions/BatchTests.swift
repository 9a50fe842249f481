import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("A flush is split when one of its records fails", .timeLimit(.minutes(20)))
@LoopActor
struct BatchTests {
    @Test("two tombstones of one transaction, as two scans may write them at once")
    func splitsTombstonesOfOneTransaction() async throws {
        try await Self.flushTogether { log in
            let orphan = try await log.unacceptedRecord(in: "users")
            return [orphan, orphan]
        }
    }

    @Test("two tombstones of one key, of requests that may have been accepted")
    func splitsTombstonesOfOneKey() async throws {
        try await Self.flushTogether { log in
            let key = TransactionRequest.Idempotency(keyDigest: [1], requestDigest: [2])
            return [
                try await log.unacceptedRecord(in: "users", key),
                try await log.unacceptedRecord(in: "users", key),
            ]
        }
    }

    @Test(
        "a statement that DEALLOCATE removed is prepared again before the write is answered"
    )
    func repreparesStatementAfterDeallocate() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await StateDatabase.open(cluster, "one")
            let log = PostgresDecisionLog(state, logger: Logger(label: "test"))
            #expect(
                try await log.perform(LogWrite(.accept, of: log.unacceptedRecord(in: "users")))
                    == .accepted)
            let writer = try await state.writerConnection()
            _ = try await writer.query("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")
            #expect(
                try await log.perform(LogWrite(.accept, of: log.unacceptedRecord(in: "users")))
                    == .accepted)
            #expect(try await cluster.psql("SELECT count(*) FROM tandem.transactions") == "2")
            await state.close()
        }
    }

    /// Writes tombstones in one flush with an acceptance.
    private static func flushTogether(
        _ tombstones:
            @escaping @LoopActor @Sendable (PostgresDecisionLog) async throws
            -> [TransactionRecord]
    ) async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await StateDatabase.open(cluster, "one")
            let log = PostgresDecisionLog(state, logger: Logger(label: "test"))
            let tombstones = try await tombstones(log)
            let first = try await log.unacceptedRecord(in: "users")
            let other = try await log.unacceptedRecord(in: "users")
            let loop = EventLoop.shared
            // Writes that come while a flush is under way go into the next one.
            let table = try await cluster.hold("LOCK TABLE tandem.transactions IN SHARE MODE")
            let accepting = Task(executorPreference: loop) {
                await log.perform(LogWrite(.accept, of: first))
            }
            try await cluster.untilLocksAreAwaited(by: 1)
            let writing = tombstones.map { tombstone in
                Task(executorPreference: loop) {
                    await log.perform(LogWrite(.tombstone, of: tombstone))
                }
            }
            let among = Task(executorPreference: loop) {
                await log.perform(LogWrite(.accept, of: other))
            }
            for _ in 0..<10 { await Task.yield() }
            table.release()
            #expect(await accepting.value == .accepted)
            #expect(await among.value == .accepted)
            for task in writing {
                #expect(await task.value == .decided(.abort, evidence: [nil]))
            }
            #expect(
                try await cluster.psql(
                    "SELECT count(*), count(key_digest) <= 1 FROM tandem.transactions")
                    == "\(2 + Set(tombstones.map(\.id)).count)|t")
            await state.close()
        }
    }
}
