import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The slot of a branch", .timeLimit(.minutes(20)))
@LoopActor
struct SlotTests {
    @Test("is held until the branch has ended, even if an operator ends it")
    func endedElsewhere() async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { @LoopActor cluster in
            let state = try await StateDatabase.open(cluster, "one")
            var options = ParticipantOptions(
                name: "users",
                connection: try ConnectionOptions(conninfo: cluster.connectionString()))
            options.connectTimeout = .seconds(300)
            options.preparedSlots = 1
            let participants = try PostgresParticipants(
                [options], state: state, queueMax: 10, logger: Logger(label: "test"))
            let request = SessionRequest(participant: "users", commitMode: .twoPhase)
            let session = try #require(
                try await participants.reserve([request], within: .seconds(300)).first)
            let gid = "tandem:\(state.installation):1-0000000000000001:0"
            let statement = Statement(sql: "CREATE TABLE t ()")
            let work = try WorkRequest(
                gid: gid,
                work: .statements([InspectedStatement(inspecting: statement, for: .twoPhase)]),
                isolation: .readCommitted, age: GlobalTransactionID(number: 1, salt: 1))
            guard case .prepared = await session.work(work).reply else {
                Issue.record("it was not prepared")
                return
            }
            // What is prepared still holds its slot.
            #expect(
                try await participants.preparedTransactions(in: "users").map(\.found.name) == [gid])
            let usage = SlotUsage(limit: 10, share: 1, own: 1, others: 0)
            await #expect(throws: AdmissionFailure.slotsExhausted(name: "users", usage: usage)) {
                try await participants.reserve([request], within: .seconds(300))
            }
            _ = try await cluster.psql("ROLLBACK PREPARED '\(gid)'")
            #expect(try await participants.preparedTransactions(in: "users").isEmpty)
            for session in try await participants.reserve([request], within: .seconds(300)) {
                session.release()
            }
            await participants.close()
            await state.close()
        }
    }

    private static let request = SessionRequest(participant: "users", commitMode: .twoPhase)

    @Test("is shared with the other databases and programs of its server")
    func shared() async throws {
        try await onTwoDatabases(slots: 2) { cluster, participants in
            let both = [Self.request, SessionRequest(participant: "orders", commitMode: .twoPhase)]
            let first = try await participants.reserve(both, within: .seconds(300))
            // Both of the server's slots are spoken for, one by each database.
            await #expect(
                throws: AdmissionFailure.slotsExhausted(
                    name: "users", usage: SlotUsage(limit: 2, own: 1, others: 1))
            ) { try await participants.reserve([Self.request], within: .seconds(300)) }
            for session in first { session.release() }
            _ = try await cluster.psql("BEGIN; CREATE TABLE s (); PREPARE TRANSACTION 's'")
            _ = try await participants.preparedTransactions(in: "users")
            await #expect(throws: AdmissionFailure.self) {
                try await participants.reserve(both, within: .seconds(300))
            }
            // One at a time there is room for.
            for session in try await participants.reserve([Self.request], within: .seconds(300)) {
                session.release()
            }
            #expect(
                await participants.statuses().map(\.slots)
                    == Array(repeating: SlotUsage(limit: 2, own: 0, others: 1), count: 2))
        }
    }

    @Test("is counted again before a request is refused")
    func recounted() async throws {
        try await onTwoDatabases(slots: 1) { cluster, participants in
            _ = try await cluster.psql("BEGIN; CREATE TABLE s (); PREPARE TRANSACTION 's'")
            _ = try await participants.preparedTransactions(in: "users")
            // Sessions that were lent here would hold the slot for ever.
            try await #require(
                throws: AdmissionFailure.slotsExhausted(
                    name: "users", usage: SlotUsage(limit: 1, own: 0, others: 1))
            ) { try await participants.reserve([Self.request], within: .seconds(300)) }
            _ = try await cluster.psql("ROLLBACK PREPARED 's'")
            // No scan runs here: a request itself has to notice, if not one that comes within the age
            // up to which a count is believed, or that found the server too slow.
            var sessions: [any BranchSession] = []
            while sessions.isEmpty {
                do {
                    sessions = try await participants.reserve([Self.request], within: .seconds(300))
                } catch {
                    guard case .slotsExhausted? = error as? AdmissionFailure else { throw error }
                }
            }
            for session in sessions { session.release() }
        }
    }

    @Test("is counted again before a waiting request is refused")
    func recountedForWaiter() async throws {
        try await onTwoDatabases(slots: 1, poolSize: 1) { _, participants in
            let reading = SessionRequest(participant: "users", commitMode: .readOnly)
            // Again if a count found the server too slow.
            while true {
                let first = try await participants.reserve([reading], within: .seconds(300))
                let tickets = participants.reservations.lastTicket
                let waiting = Task(executorPreference: EventLoop.shared) {
                    try await participants.reserve([Self.request], within: .seconds(86_400))
                }
                while participants.reservations.lastTicket == tickets { await Task.yield() }
                // As after a PREPARE that found no slot; by now the server has one.
                try #require(participants.members["users"]?.server).noteExhausted()
                for session in first { session.release() }
                do {
                    for session in try await waiting.value { session.release() }
                    return
                } catch {
                    guard case .slotsExhausted? = error as? AdmissionFailure else { throw error }
                }
            }
        }
    }

    private func onTwoDatabases(
        slots: Int, poolSize: Int = 12,
        _ body: @LoopActor @Sendable (PostgresCluster, PostgresParticipants) async throws -> Void
    ) async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "\(slots)"]
        ) { @LoopActor cluster in
            _ = try await cluster.psql("CREATE DATABASE orders")
            let state = try await StateDatabase.open(cluster, "one")
            let options = try ["users": "postgres", "orders": "orders"].sorted { $0 > $1 }.map {
                var options = ParticipantOptions(
                    name: $0.key,
                    connection: try ConnectionOptions(
                        conninfo: cluster.connectionString(database: $0.value)))
                options.connectTimeout = .seconds(300)
                options.poolSize = poolSize
                return options
            }
            let participants = try PostgresParticipants(
                options, state: state, queueMax: 10, logger: Logger(label: "test"))
            // The server is known from the first session on.
            for name in ["users", "orders"] {
                _ = try await participants.preparedTransactions(in: name)
            }
            try await body(cluster, participants)
            await participants.close()
            await state.close()
        }
    }
}
