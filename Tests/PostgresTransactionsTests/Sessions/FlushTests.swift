import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Whoever asks for a flush waits until all is written", .timeLimit(.minutes(2)))
@LoopActor
struct FlushTests {
    @Test("two who waited for the same flush, and what was gathered meanwhile")
    func twoCallers() async throws {
        try await PostgresCluster.withTemporaryOnLoop { try await Self.twoCallers($0) }
    }

    private static func twoCallers(_ cluster: PostgresCluster) async throws {
        let state = try await StateDatabase.open(cluster, "one")
        let log = PostgresDecisionLog(state, logger: Logger(label: "test"))
        var ended = try await log.acceptedRecord(in: "users")
        let decided = await log.decide(.commit, ended)
        #expect(decided == .decided(.commit, evidence: [nil]))
        (ended.decision, ended.state, ended.finishedAt) = (.commit, .committed, 1)
        let next = try await log.unacceptedRecord(in: "users")

        // The first flush waits for the table, the second for the row.
        let row = try await cluster.hold("SELECT FROM tandem.transactions FOR UPDATE")
        let table = try await cluster.hold("LOCK TABLE tandem.transactions IN SHARE MODE")
        let loop = EventLoop.shared
        let accepting = Task(executorPreference: loop) { await log.accept(next) }
        try await cluster.untilLocksAreAwaited(by: 1)
        let finishing = Task(executorPreference: loop) { [ended] in await log.finish(ended) }
        let returned = Lock(0)
        let callers = (0..<2).map { _ in
            Task(executorPreference: loop) {
                await log.flush()
                returned.withLock { $0 += 1 }
            }
        }
        table.release()
        #expect(await accepting.value == .accepted)
        try await cluster.untilLocksAreAwaited(by: 1)
        #expect(returned.withLock { $0 } == 0)
        row.release()
        for caller in callers { await caller.value }
        await finishing.value
        #expect(
            try await cluster.psql(
                "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NOT NULL") == "1")
        await state.close()
    }

    @Test("but not for ever for an end that came too late: it is left to the next life")
    func endAfterClose() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await StateDatabase.open(cluster, "one")
            let log = PostgresDecisionLog(state, logger: Logger(label: "test"))
            var ended = try await log.acceptedRecord(in: "users")
            _ = await log.decide(.commit, ended)
            (ended.decision, ended.state, ended.finishedAt) = (.commit, .committed, 1)
            await state.close()
            await log.finish(ended)
            await log.flush()
            #expect(
                try await cluster.psql("SELECT finished_at FROM tandem.transactions") == "")
        }
    }

    /// A task that does not prefer the loop leaves it at every await.
    @Test("one whose flush ends right before the wait begins")
    func handover() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await StateDatabase.open(cluster, "one")
            let log = PostgresDecisionLog(state, logger: Logger(label: "test"))
            let record = try await log.unacceptedRecord(in: "users")
            let table = try await cluster.hold("LOCK TABLE tandem.transactions IN SHARE MODE")
            for turns in 0..<8 {
                let accepting = Task(executorPreference: EventLoop.shared) {
                    await log.accept(record)
                }
                // Whoever is disconnected goes on waiting for the lock.
                try await cluster.untilLocksAreAwaited(by: turns + 1)
                let relay = await Relay(turns: turns) { state.closeWriter() }
                relay.start()
                await log.flush()
                guard case .unknown = await accepting.value else {
                    Issue.record("its connection was closed while it waited")
                    continue
                }
            }
            table.release()
            await state.close()
        }
    }
}
