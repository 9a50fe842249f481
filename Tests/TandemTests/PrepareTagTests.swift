import CommitProtocol
import EventLoop
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("The tag of PREPARE TRANSACTION")
struct PrepareTagTests {
    @Test("a PREPARE in a failed transaction succeeds with the tag ROLLBACK, which is a no")
    func failedTransaction() async throws {
        let cluster = try await PostgresCluster.start(name: "tags")
        do {
            try await Self.judge(cluster.connectionString())
        } catch {
            await cluster.remove()
            throw error
        }
        await cluster.remove()
    }

    /// No pipeline of ours sends a PREPARE after an error, so the replies are put together here:
    /// the tag has to be enough by itself.
    @LoopActor
    private static func judge(_ conninfo: String) async throws {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: conninfo), timeout: .seconds(300), loop: .shared)
        defer { connection.close() }
        let statements = [
            try InspectedStatement(inspecting: Statement(sql: "SELECT 1"), for: .twoPhase)
        ]
        let script = BranchScript(statements, .readCommitted, .twoPhase, hasWitness: false)
        let plan = WorkPlan(script, statements, gid: "of-a-failed-one")
        let whole = try await connection.execute([
            [Command("BEGIN"), Command("SELECT 1")] + WorkPlan.cleaning
                + [BranchProof.query(.twoPhase).command(), Command("ROLLBACK")]
        ])[0]
        let failed = try await connection.execute([
            [Command("BEGIN")], [Command("SELECT 1/0")],
            [Command("PREPARE TRANSACTION 'of-a-failed-one'")],
        ])
        guard case .completed(let result) = failed[2][0] else {
            Issue.record("PREPARE was refused: \(failed)")
            return
        }
        #expect(result.tag == "ROLLBACK")
        let facts = SessionFacts(
            identity: SessionIdentity(processID: 1, startedAt: "1", systemIdentifier: "1"),
            user: "u", database: "d", timeline: 1, slotLimit: 1, serverStartedAt: "1",
            nextTransactionID: 1)
        let report = plan.report(whole.dropLast() + failed[2], facts: facts).report
        #expect(report.reply == .refused)
        #expect(report.failure?.kind == .prepare)
    }
}
