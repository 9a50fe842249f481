import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// A session that is lost between being lent and being used is not on another server.
@Suite("A lost finishing session proves nothing", .timeLimit(.minutes(20)))
@LoopActor
struct LostSessionTests {
    private static let transaction = GlobalTransactionID(number: 1, salt: 1)

    @Test("a commit point is asked again, and not reported unprovable", arguments: [true, false])
    func commitPoint(isJournal: Bool) async throws {
        try await onParticipant { participants, member in
            let facts = try #require(member.latestFacts)
            let evidence = PreparedEvidence(
                transactionID: 3, owner: facts.user, systemIdentifier: facts.systemIdentifier,
                timeline: facts.timeline, location: "0/0")
            let order = CommitPointQuery(
                participant: "users", transaction: Self.transaction, branch: 0,
                commitPoint: isJournal ? .journal(facts.server) : .transactionStatus(evidence),
                fence: .none)
            let report = try await losing(member) { await participants.queryCommitPoint(order) }
            #expect(report.answer == .tryAgain)
            let reading = try await losing(member) { await participants.readCommitPoint(order) }
            guard case .unknown = reading else {
                Issue.record("\(reading) was seen")
                return
            }
        }
    }

    private func onParticipant(
        _ body:
            @escaping @LoopActor @Sendable (PostgresParticipants, PostgresParticipant)
            async throws -> Void
    ) async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            var options = ParticipantOptions(
                name: "users",
                connection: try ConnectionOptions(conninfo: cluster.connectionString()))
            options.finishers = 1
            options.connectTimeout = .seconds(300)
            let participants = try PostgresParticipants(
                logless: [options], installation: "i", allowsFsyncOff: true, queueMax: 10,
                loop: .shared, logger: Logger(label: "test"))
            let member = try #require(participants.members["users"])
            member.finishers.giveBack(try await member.finishers.acquire(timeout: .seconds(300)))
            try await body(participants, member)
            await participants.close()
        }
    }

    /// What the branch answers that is lent the session that ends in the same moment.
    private func losing<Answer: Sendable>(
        _ member: PostgresParticipant, _ body: @escaping @LoopActor @Sendable () async -> Answer
    ) async throws -> Answer {
        let connection = try await member.finishers.acquire(timeout: .seconds(300))
        let asking = Task(executorPreference: EventLoop.shared) { await body() }
        while member.finishers.waitingCount == 0 { await Task.yield() }
        member.finishers.giveBack(connection)
        connection.close()
        return await asking.value
    }
}
