import CommitProtocol
import EventLoop
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("Several statements that a branch's code sends at once", .timeLimit(.minutes(20)))
@LoopActor
struct InteractiveBranchTests {
    private static func branch(_ connection: PostgresConnection) -> InteractiveBranch {
        let request = WorkRequest(
            gid: "g", work: .interactive(InteractiveWork { _ in }), isolation: .readCommitted,
            age: GlobalTransactionID(number: 1, salt: 1))
        return InteractiveBranch(
            connection, limits: ResultLimits(rows: 10, bytes: 1000), request: request)
    }

    private static func connect(_ cluster: PostgresCluster) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            ConnectionOptions(conninfo: cluster.connectionString()), timeout: .seconds(300),
            loop: .shared)
    }

    private static func send(_ who: String, _ branch: InteractiveBranch) async throws {
        for number in 1...3 {
            let sql = "INSERT INTO t (who) VALUES ($1)"
            _ = try await branch.execute([Statement(sql: sql, parameters: ["\(who)\(number)"])])
        }
    }

    @Test("run in the order in which they came")
    func order() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let connection = try await Self.connect(cluster)
            defer { connection.close() }
            _ = try await connection.query("CREATE TABLE t (n serial, who text)")
            let branch = Self.branch(connection)
            // Who has had a turn asks for the next one before those who wait have seen that it is free.
            let senders = ["a", "b", "c"].map { who in
                Task(executorPreference: EventLoop.shared) { try await Self.send(who, branch) }
            }
            for sender in senders { try await sender.value }
            let found = try await branch.execute([
                Statement(sql: "SELECT string_agg(who, ' ' ORDER BY n) FROM t")
            ])
            #expect(found[0].rows == [["a1 b1 c1 a2 b2 c2 a3 b3 c3"]])
            #expect(branch.refusal(after: .returned) == nil)
        }
    }

    /// A task that does not prefer the loop leaves it at every await.
    @Test("run even if the earlier call ends right before the wait begins")
    func handover() async throws {
        try await PostgresCluster.withTemporaryOnLoop { cluster in
            let hold = try await cluster.hold("SELECT pg_advisory_lock(1)")
            for turns in 0..<8 {
                let connection = try await Self.connect(cluster)
                let branch = Self.branch(connection)
                let first = Task(executorPreference: EventLoop.shared) {
                    try await branch.execute([Statement(sql: "SELECT pg_advisory_lock(1)")])
                }
                // A session that is disconnected goes on waiting for the lock.
                try await cluster.untilLocksAreAwaited(by: turns + 1)
                let relay = await Relay(turns: turns) { connection.close() }
                let lost = OpenBranchError.failed(BranchFailure(.connectionLost, statement: 0))
                relay.start()
                do throws(OpenBranchError) {
                    _ = try await branch.execute([Statement(sql: "SELECT 1")])
                    Issue.record("the session is closed")
                } catch {
                    #expect(error == lost)
                }
                await #expect(throws: lost) { try await first.value }
            }
            hold.release()
        }
    }
}
