import CommitProtocol
import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

/// A task would cost a branch more than the reading of its replies does.
@Suite("The usual path of a branch runs in no task", .timeLimit(.minutes(20)))
@LoopActor
struct BranchPathTests {
    private static let id = GlobalTransactionID(number: 1, salt: 1)

    @Test("from BEGIN to COMMIT PREPARED", arguments: [Decision.commit, .abort])
    func prepared(decision: Decision) async throws {
        try await onParticipant { participants, member in
            let session = try await reserve(.twoPhase, of: participants)
            let report = await answer { session.work(try Self.work(.twoPhase), then: $0) }
            guard case .prepared(let evidence) = report.reply else {
                Issue.record("\(report)")
                return
            }
            #expect(member.slots.count == 1)
            let finish = FinishRequest(
                participant: "users", gid: "branch", decision: decision, evidence: evidence,
                fence: .none, checksOwner: false)
            let finished = await answer { participants.finish(finish, then: $0) }
            #expect(finished.reply == .done)
            #expect(member.slots.count == 0)
            #expect(member.workers.idleCount == member.workers.connectedCount)
        }
    }

    @Test("of the commit point with its journal")
    func journal() async throws {
        try await onParticipant { participants, member in
            #expect(participants.keepsJournal("users"))
            let session = try await reserve(.journal, of: participants)
            let report = await answer { session.work(try Self.work(.journal), then: $0) }
            guard case .ready = report.reply else {
                Issue.record("\(report)")
                return
            }
            let entry = JournalEntry(transaction: Self.id, evidence: [nil], results: nil)
            let committed = await answer { session.commit(entry, then: $0) }
            #expect(committed.reply == .committed)
            #expect(member.workers.idleCount == member.workers.connectedCount)
        }
    }

    @Test("of a branch that only reads")
    func readOnly() async throws {
        try await onParticipant { participants, member in
            let session = try await reserve(.readOnly, of: participants)
            let work = try Self.work(.readOnly, "SELECT 1 AS one")
            let report = await answer { session.work(work, then: $0) }
            #expect(report.reply == .held)
            #expect(report.results.first?.rows == [["1"]])
            let finished = await answer { session.finish(.commit, then: $0) }
            #expect(finished.reply == .done)
            #expect(member.workers.idleCount == member.workers.connectedCount)
        }
    }

    @Test("a cancel finds the caller's code, although that begins later")
    func cancelledAtOnce() async throws {
        try await onParticipant { participants, _ in
            let session = try await reserve(.twoPhase, of: participants)
            let code = InteractiveWork { _ in while !Task.isCancelled { await Task.yield() } }
            let work = WorkRequest(
                gid: "branch", work: .interactive(code), isolation: .readCommitted, age: Self.id)
            let report = await withCheckedContinuation { reply in
                session.work(work) { reply.resume(returning: $0) }
                session.cancel()
            }
            // On a slow machine its connection is closed before it stops.
            #expect(report.failure?.kind == .cancelled)
        }
    }

    @Test("a cancel before a branch with a list has sent anything leaves nothing prepared")
    func listCancelledAtOnce() async throws {
        try await onParticipant { participants, _ in
            let session = try await reserve(.twoPhase, of: participants)
            let statement = try InspectedStatement(
                inspecting: Statement(
                    sql: "SELECT 1 WHERE 1 = ANY ($1::int[])", parameters: ["{1}"],
                    lists: [0: OneElement()]), for: .twoPhase)
            let work = WorkRequest(
                gid: "list", work: .statements([statement]), isolation: .readCommitted,
                age: Self.id)
            let report = await withCheckedContinuation { reply in
                session.work(work) { reply.resume(returning: $0) }
                session.cancel()
            }
            #expect(report.reply == .refused)
        }
    }

    private struct OneElement: ListParameter {
        func text(as array: ArrayElements) -> String { "{1}" }
    }

    @Test("its commands are worked out once for its SQL, and hold its own values")
    func scripts() throws {
        let scripts = BranchScripts(hasWitness: true)
        func statements(_ sql: String...) throws -> [InspectedStatement] {
            try sql.map {
                try InspectedStatement(
                    inspecting: Statement(sql: $0 + " WHERE $1 = 'a'", parameters: [$0]),
                    for: .twoPhase)
            }
        }
        let (one, both) = (try statements("SELECT 1"), try statements("SELECT 1", "SELECT 2"))
        let script = scripts.script(of: one, .readCommitted, .twoPhase)
        #expect(scripts.script(of: one, .readCommitted, .twoPhase) === script)
        #expect(scripts.script(of: both, .readCommitted, .twoPhase) !== script)
        #expect(scripts.script(of: one, .serializable, .twoPhase) !== script)
        #expect(scripts.script(of: one, .readCommitted, .journal) !== script)
        #expect(scripts.script(of: one, .readCommitted, .twoPhase) === script)
        let commands = WorkPlan(script, one, gid: "it's").commands
        #expect(commands[1].parameters == ["SELECT 1"])
        #expect(commands.last?.sql == "PREPARE TRANSACTION 'it''s'")
        #expect(commands[commands.count - 2].parameters == ["it's"])
        #expect(script.commands.allSatisfy { !$0.parameters.contains("SELECT 1") })
    }

    // MARK: Support

    /// The answer of a call that runs outside of every task, and is answered there.
    private func answer<Answer: Sendable>(
        _ call: @LoopActor (@escaping @LoopActor (Answer) -> Void) throws -> Void
    ) async -> Answer {
        let (answers, answer) = AsyncStream<(Answer, isInTask: Bool)>.makeStream()
        do {
            try call { value in
                answer.yield((value, withUnsafeCurrentTask { $0 != nil }))
                answer.finish()
            }
        } catch {
            Issue.record(error)
        }
        for await (value, isInTask) in answers {
            #expect(!isInTask)
            return value
        }
        preconditionFailure("every call is answered")
    }

    private func reserve(
        _ mode: CommitMode, of participants: PostgresParticipants
    ) async throws -> WorkingSession {
        let sessions = try await participants.reserve(
            [SessionRequest(participant: "users", commitMode: mode)], within: .seconds(300))
        return try #require(sessions.first as? WorkingSession)
    }

    private static func work(
        _ mode: CommitMode, _ sql: String = "INSERT INTO t VALUES (1)"
    ) throws -> WorkRequest {
        let statement = try InspectedStatement(inspecting: Statement(sql: sql), for: mode)
        return WorkRequest(
            gid: "branch", work: .statements([statement]), isolation: .readCommitted,
            commitMode: mode, age: id)
    }

    private func onParticipant(
        _ body:
            @escaping @LoopActor @Sendable (PostgresParticipants, PostgresParticipant)
            async throws -> Void
    ) async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { @LoopActor cluster in
            _ = try await cluster.psql("CREATE TABLE t (n int)")
            var options = ParticipantOptions(
                name: "users",
                connection: try ConnectionOptions(conninfo: cluster.connectionString()))
            options.connectTimeout = .seconds(300)
            options.journal = true
            let participants = try PostgresParticipants(
                logless: [options], installation: "00000000-0000-0000-0000-000000000000",
                allowsFsyncOff: true, queueMax: 10, loop: .shared, logger: Logger(label: "test"))
            let member = try #require(participants.members["users"])
            member.finishers.giveBack(try await member.finishers.acquire(timeout: .seconds(300)))
            try await body(participants, member)
            await participants.close()
        }
    }
}
