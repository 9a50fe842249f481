import CommitProtocol
import EventLoop
import InMemoryLogging
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The end of an incarnation is reported", .timeLimit(.minutes(20)))
@LoopActor
struct IncarnationEndTests {
    private let notes = InMemoryLogHandler()

    private var alarms: [Logger.Message] {
        notes.entries.filter { $0.level == .critical }.map(\.message)
    }

    /// An incarnation that sends a heartbeat when the test says so.
    private func open(_ cluster: PostgresCluster) async throws -> StateDatabase {
        let notes = notes
        let logger = Logger(label: "test") { _ in notes }
        return try await StateDatabase.open(cluster, "one", logger: logger) {
            $0.heartbeat = .seconds(86_400)
            $0.readers = 4
        }
    }

    private func log(_ state: StateDatabase) -> PostgresDecisionLog {
        PostgresDecisionLog(state, logger: Logger(label: "test"))
    }

    private static func admit(
        _ cluster: PostgresCluster, _ registry: SessionRegistry
    ) async throws {
        let options = ParticipantOptions(
            name: "users", connection: try ConnectionOptions(conninfo: cluster.connectionString()))
        try await registry.admitNewSession(of: options)
    }

    @Test("not if it is given up here and a write that was under way finds it over")
    func doesNotReportOwnEnd() async throws {
        try await PostgresCluster.withTemporaryOnLoop { try await endWhileWriting($0) }
    }

    private func endWhileWriting(_ cluster: PostgresCluster) async throws {
        let state = try await open(cluster)
        let log = log(state)
        let record = try await log.unacceptedRecord(in: "users")
        let registry = SessionRegistry(state: state, logger: Logger(label: "test"))
        // The first makes the participant's version known, so that nothing else is written.
        try await Self.admit(cluster, registry)
        let hold = try await cluster.hold("SELECT FROM tandem.replicas FOR UPDATE")
        let closing = Task { await state.close() }
        try await cluster.untilLocksAreAwaited(by: 1)
        // They wait for the row until the write that ends the incarnation is through.
        let beat = Task { await state.beat() }
        try await cluster.untilLocksAreAwaited(by: 2)
        let admission = Task { try await Self.admit(cluster, registry) }
        try await cluster.untilLocksAreAwaited(by: 3)
        let again = Task { await state.close() }
        let accepted = await log.perform(LogWrite(.accept, of: record))
        #expect(accepted == .notWritten(reason: StateDatabaseError.closed.sentence))
        hold.release()
        await beat.value
        await #expect(throws: SessionRefusal.self) { try await admission.value }
        await closing.value
        await again.value
        #expect(!state.isSuperseded)
        #expect(alarms == [])
        #expect(try await cluster.psql("SELECT ended FROM tandem.replicas") == "t")
        await state.close()
    }

    @Test("once, if its name was taken, however many writes find it over")
    func reportsTakenNameOnce() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await open(cluster)
            let log = log(state)
            let record = try await log.unacceptedRecord(in: "users")
            let heir = try await StateDatabase.open(cluster, "one")
            let reason = StateDatabaseError.superseded(replica: "one").sentence
            #expect(await log.perform(LogWrite(.accept, of: record)) == .notWritten(reason: reason))
            await state.waitUntilSuperseded()
            #expect(alarms.count == 1)
            await state.beat()
            await state.close()
            #expect(state.isSuperseded)
            #expect(alarms.count == 1)
            await heir.close()
        }
    }

    @Test("if its name was taken and no write found that before it is given up")
    func reportsTakenNameAtClose() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let state = try await open(cluster)
            let heir = try await StateDatabase.open(cluster, "one")
            await state.close()
            #expect(state.isSuperseded)
            #expect(alarms.count == 1)
            #expect(try await cluster.psql("SELECT ended FROM tandem.replicas") == "f")
            await heir.close()
        }
    }
}
