import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Which rows a replica takes over")
struct ClaimTests {
    @Test("a row with a participant that is unknown here is left to a replica that knows it")
    func leavesRowToReplicaThatKnowsItsParticipant() async throws {
        try await PostgresCluster.withTemporary(settings: ["fsync": "off"]) { cluster in
            let former = try await StateDatabase.open(cluster, "former")
            let log = await PostgresDecisionLog(former, logger: Logger(label: "test"))
            let users = try await log.acceptedRecord(in: "users").id
            let archive = try await log.acceptedRecord(in: "archive").id
            let vault = try await log.acceptedRecord(in: "vault").id
            await former.close()
            // While configurations are rolled out: one replica has the new one, and one has not.
            let old = try await StateDatabase.open(cluster, "old", ["users"])
            let new = try await StateDatabase.open(cluster, "new", ["users", "archive"])
            // No replica knows the vault, so any replica takes the row.
            #expect(try await Self.claim(old, ["users"]) == [users, vault])
            #expect(try await Self.claim(new, ["users", "archive"]) == [archive])
            await new.close()
            #expect(try await Self.claim(old, ["users"]) == [users, archive, vault])
            await old.close()
        }
    }

    @Test("a transaction accepted while leases are judged is not claimed by its own replica")
    func doesNotClaimWhatIsAcceptedMeanwhile() async throws {
        try await PostgresCluster.withTemporary(settings: ["fsync": "off"]) { cluster in
            let day = Duration.seconds(86_400)
            let state = try await StateDatabase.open(cluster, "busy") { $0.lease = day }
            let log = await PostgresDecisionLog(state, logger: Logger(label: "test"))
            let record = try await log.unacceptedRecord(in: "users")
            // Its lease has run out, and no replica has noticed yet.
            let dead = try await StateDatabase.open(cluster, "dead") { $0.heartbeat = day }
            _ = try await cluster.psql(
                """
                UPDATE tandem.replicas SET heartbeat_at = '-infinity' WHERE name = 'dead';
                UPDATE tandem.replicas SET uninterrupted_since = '-infinity' WHERE name = 'busy'
                """)
            let hold = try await cluster.hold(
                "SELECT FROM tandem.replicas WHERE name = 'dead' FOR UPDATE")
            let accepted = Lock<[GlobalTransactionID]>([])
            let claim = Task {
                try await log.claimUnowned(limit: 10, known: ["users"]) {
                    accepted.withLock { $0 }
                }
            }
            try await cluster.untilLocksAreAwaited(by: 1)
            #expect(await log.perform(LogWrite(.accept, of: record)) == .accepted)
            accepted.withLock { $0 = [record.id] }
            let before = try await cluster.psql("SELECT xmin FROM tandem.transactions")
            await hold.release()
            #expect(try await claim.value.isEmpty)
            #expect(try await cluster.psql("SELECT xmin FROM tandem.transactions") == before)
            #expect(
                try await cluster.psql("SELECT ended FROM tandem.replicas WHERE name = 'dead'")
                    == "t")
            await state.close()
            await dead.close()
        }
    }

    /// What a replica without active transactions claims; its own rows are among them.
    private static func claim(
        _ state: StateDatabase, _ known: [String]
    ) async throws -> [GlobalTransactionID] {
        let log = await PostgresDecisionLog(state, logger: Logger(label: "test"))
        let rows = try await log.claimUnowned(limit: 10, known: known, active: { [] })
        return rows.map(\.id).sorted()
    }
}

extension StateDatabase {
    /// Opens the state database of a throwaway server, patiently.
    static func open(
        _ cluster: PostgresCluster, _ replica: String, _ participants: [String] = [],
        logger: Logger = Logger(label: "test"), adjust: (inout StateOptions) -> Void = { _ in }
    ) async throws -> StateDatabase {
        var options = StateOptions(
            connection: try ConnectionOptions(conninfo: cluster.connectionString()),
            replica: replica)
        options.participants = participants
        options.timeout = .seconds(300)
        options.allowsFsyncOff = true
        adjust(&options)
        return try await StateDatabase.open(options, loop: .shared, logger: logger)
    }
}

extension PostgresDecisionLog {
    convenience init(_ state: StateDatabase, logger: Logger) {
        self.init(state, logger: logger, makeSalt: { .random(in: .min ... .max) })
    }

    /// A row of one branch, accepted.
    func acceptedRecord(
        in participant: String, _ idempotency: TransactionRequest.Idempotency? = nil
    ) async throws -> TransactionRecord {
        let record = try await unacceptedRecord(in: participant, idempotency)
        #expect(await perform(LogWrite(.accept, of: record)) == .accepted)
        return record
    }

    /// The record of such a row.
    func unacceptedRecord(
        in participant: String, _ idempotency: TransactionRequest.Idempotency? = nil
    ) async throws -> TransactionRecord {
        let id = try await nextTransactionID()
        let request = TransactionRequest(
            principal: "p", idempotency: idempotency,
            branches: [.init(participant: participant, statements: [])],
            isolation: .readCommitted, timeout: .seconds(600), labels: [])
        let gid = preparedName(of: id, branch: 0, branchCount: 1)
        return TransactionRecord(
            id: id, request: request, owner: replica, epoch: epoch, acceptedAt: 0,
            deadline: 600_000_000, branches: [BranchRecord(participant: participant, gid: gid)])
    }
}
