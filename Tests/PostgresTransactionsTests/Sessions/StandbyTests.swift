import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Standbys: a cancelled wait proves nothing (01000), and a standby ends nothing")
struct StandbyTests {
    private static let settings = ["max_prepared_transactions": "10", "fsync": "off"]

    @Test("a claim whose wait was cancelled is visible, but not acted on; the next one is")
    func doesNotActOnUnconfirmedClaim() async throws {
        try await PostgresCluster.withTemporary(settings: Self.settings) { cluster in
            let id = try await Self.leaveDecided(cluster)
            let state = try await StateDatabase.open(cluster, "heir")
            let heir = await PostgresDecisionLog(state, logger: Logger(label: "test"))
            try await cluster.requireMissingStandby()
            let claim = Task { try await Self.claim(heir) }
            try await Self.until("the claim is visible") {
                try await Self.cancelWaits(cluster)
                return try await cluster.psql("SELECT owner FROM tandem.transactions") == "heir"
            }
            switch await Self.cancellingWaits(cluster, claim) {
            case .success: Issue.record("a claim that may be lost was returned")
            case .failure(let error as LogUnavailable):
                #expect(error.reason.contains("may not be durable"))
            case .failure(let error): throw error
            }
            try await cluster.requireNoStandby()
            // The row is this incarnation's own by now, as if the answer of a claim had been lost.
            let again = Task { try await Self.claim(heir) }
            let rows = try await Self.cancellingWaits(cluster, again).get()
            #expect(rows.map(\.id) == [id])
            #expect(rows.map(\.decision) == [.commit])
            await state.close()
        }
    }

    @Test("a session whose record may be lost is not used")
    func doesNotUseSessionWithUnconfirmedRecord() async throws {
        try await PostgresCluster.withTemporary(settings: Self.settings) { cluster in
            let state = try await StateDatabase.open(cluster, "one")
            let registry = await SessionRegistry(state: state, logger: Logger(label: "test"))
            let options = ParticipantOptions(
                name: "users",
                connection: try ConnectionOptions(conninfo: cluster.connectionString()))
            // The first makes the participant's version known, so that nothing else is written.
            try await Self.admit(options, registry)
            try await cluster.requireMissingStandby()
            let admission = Task { try await Self.admit(options, registry) }
            switch await Self.cancellingWaits(cluster, admission) {
            case .success: Issue.record("a later incarnation might not know of the session")
            case .failure(let error): #expect("\(error)".contains("may not be durable"))
            }
            #expect(try await cluster.psql("SELECT count(*) FROM tandem.sessions") == "2")
            try await cluster.requireNoStandby()
            let again = Task { try await Self.admit(options, registry) }
            try await Self.cancellingWaits(cluster, again).get()
            await state.close()
        }
    }

    @Test(
        "a standby lists nothing, refuses with 25006, and gets no session; promoted, it has it all")
    func standbyEndsNothing() async throws {
        try await PostgresCluster.withTemporary(settings: Self.settings) { cluster in
            _ = try await cluster.psql(
                "BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'x'")
            try await PostgresCluster.withTemporary(settings: Self.settings) { other in
                let state = try await StateDatabase.open(other, "one")
                let registry = await SessionRegistry(state: state, logger: Logger(label: "test"))
                let options = ParticipantOptions(
                    name: "users",
                    connection: try ConnectionOptions(conninfo: cluster.connectionString()))
                try await cluster.becomeStandby()
                #expect(try await cluster.psql("SELECT count(*) FROM pg_prepared_xacts") == "0")
                let refusal = try await Self.commitPrepared(cluster)
                // 25006, read_only_sql_transaction.
                #expect(refusal == SQLState(rawValue: "25006"))
                let refused = await #expect(throws: SessionRefusal.self) {
                    try await Self.admit(options, registry)
                }
                #expect(refused?.description == "the server is a standby")
                try await cluster.promote()
                #expect(try await cluster.psql("SELECT count(*) FROM pg_prepared_xacts") == "1")
                #expect(try await Self.commitPrepared(cluster) == nil)
                await state.close()
            }
        }
    }

    /// A decided row of an incarnation that is over.
    private static func leaveDecided(
        _ cluster: PostgresCluster
    ) async throws -> GlobalTransactionID {
        let state = try await StateDatabase.open(cluster, "former")
        let log = await PostgresDecisionLog(state, logger: Logger(label: "test"))
        let record = try await log.acceptedRecord(in: "users")
        let decided = await log.perform(LogWrite(.decide(.commit), of: record))
        #expect(decided == .decided(.commit, evidence: [nil]))
        await state.close()
        return record.id
    }

    private static func claim(_ log: PostgresDecisionLog) async throws -> [TransactionRecord] {
        try await log.claimUnowned(limit: 10, known: ["users"], active: { [] })
    }

    @LoopActor
    private static func admit(
        _ options: ParticipantOptions, _ registry: SessionRegistry
    ) async throws {
        try await registry.admitNewSession(of: options)
    }

    /// How PostgreSQL refuses it; nil if it does not.
    @LoopActor
    private static func commitPrepared(_ cluster: PostgresCluster) async throws -> SQLState? {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: cluster.connectionString()), timeout: .seconds(300),
            loop: .shared)
        defer { connection.close() }
        let command = Command("COMMIT PREPARED 'x'", cached: false)
        let replies = try await connection.execute([[command]], timeout: .seconds(300))
        guard case .failed(let message) = replies[0][0] else { return nil }
        return message.state
    }

    private static func cancelWaits(_ cluster: PostgresCluster) async throws {
        _ = try await cluster.psql(
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                + "WHERE wait_event = 'SyncRep'")
    }

    /// The result of a task whose waits for a standby are cancelled until it ends.
    ///
    /// In PostgreSQL 15, a wait that began before the setting changed goes on.
    private static func cancellingWaits<Value: Sendable>(
        _ cluster: PostgresCluster, _ task: Task<Value, any Error>
    ) async -> Result<Value, any Error> {
        let cancelling = Task {
            while !Task.isCancelled {
                try? await cancelWaits(cluster)
                try? await Task.sleep(for: .milliseconds(50))
            }
        }
        defer { cancelling.cancel() }
        return await task.result
    }

    private static func until(
        _ what: String, _ isSo: () async throws -> Bool
    ) async throws {
        for _ in 0..<1200 {
            if try await isSo() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("not within 300 s: \(what)")
    }
}
