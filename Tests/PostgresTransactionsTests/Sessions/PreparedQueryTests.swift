import EventLoop
import PostgresClient
import PostgresClusters
import Testing
import TransactionEngine

@testable import PostgresTransactions

@Suite("What is prepared on a server, and whom it blocks", .timeLimit(.minutes(20)))
@LoopActor
struct PreparedQueryTests {
    private func withServer(
        _ body: @escaping @LoopActor @Sendable (PostgresCluster) async throws -> Void
    ) async throws {
        try await PostgresCluster.withTemporary(
            settings: ["fsync": "off", "max_prepared_transactions": "10"]
        ) { @LoopActor cluster in
            try await body(cluster)
        }
    }

    private func find(
        in cluster: PostgresCluster, user: String = "postgres"
    ) async throws -> [PreparedQuery.Found] {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: cluster.connectionString(user: user)),
            timeout: .seconds(300), loop: .shared)
        defer { connection.close() }
        return try await PreparedQuery.find(on: connection, timeout: .seconds(300))
    }

    @Test("nothing is prepared")
    func nothing() async throws {
        try await withServer { cluster in
            let found = try await find(in: cluster)
            #expect(found.isEmpty)
        }
    }

    @Test("of every database and role, with names that hold quotes, for a role without privileges")
    func everything() async throws {
        try await withServer { cluster in
            _ = try await cluster.psql(
                "CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE plain LOGIN; CREATE DATABASE d")
            _ = try await cluster.psql(
                "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'one'")
            _ = try await cluster.psql(
                "BEGIN; CREATE TABLE u (); PREPARE TRANSACTION 'it''s'", database: "d")
            let found = try await find(in: cluster, user: "plain")
            #expect(found.map(\.gid) == ["one", "it's"])
            #expect(found.map(\.count) == [2, 2])
            #expect(found.map(\.database) == ["postgres", "d"])
            #expect(found.map(\.role) == ["postgres", "postgres"])
            #expect(found[0].idAge > found[1].idAge)
            #expect(found.allSatisfy { $0.ageSeconds >= 0 && $0.preparedAt > 0 })
            #expect(found.allSatisfy { $0.blocked.isEmpty && $0.blockedCount == 0 })
            #expect(
                found[0].locks == [
                    .init(type: "relation", relation: "public.t", mode: "RowExclusiveLock")
                ])
            // What another database names cannot be read here.
            #expect(found[1].locks.allSatisfy { $0.relation == nil })
        }
    }

    @Test("the strongest locks come first, and those beyond the first 16 are counted")
    func locks() async throws {
        try await withServer { cluster in
            let tables = (1...20).map { "t\($0)" }
            _ = try await cluster.psql(
                tables.map { "CREATE TABLE \($0) ();" }.joined() + "CREATE TABLE \"A b\" ()")
            _ = try await cluster.psql(
                "BEGIN; " + tables.map { "INSERT INTO \($0) DEFAULT VALUES;" }.joined()
                    + "LOCK TABLE \"A b\"; PREPARE TRANSACTION 'one'")
            let found = try #require(try await find(in: cluster).first)
            #expect(found.lockCount == 21)
            #expect(found.locks.count == 16)
            #expect(
                found.locks.first
                    == .init(
                        type: "relation", relation: "public.\"A b\"", mode: "AccessExclusiveLock"))
        }
    }

    @Test("sessions that wait for it, and those in the queue behind them, and no others")
    func blocked() async throws {
        try await withServer { cluster in
            _ = try await cluster.psql(
                "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)")
            for id in 1...2 {
                _ = try await cluster.psql(
                    "BEGIN; UPDATE t SET n = 1 WHERE id = \(id); PREPARE TRANSACTION 'p\(id)'")
            }
            var sessions: [PostgresConnection] = []
            for _ in 1...3 {
                sessions.append(
                    try await PostgresConnection.connect(
                        ConnectionOptions(conninfo: cluster.connectionString()),
                        timeout: .seconds(300), loop: .shared))
            }
            let waits = sessions.map { session in
                Task { try await session.query("UPDATE t SET n = 2 WHERE id = 1") }
            }
            try await cluster.untilLocksAreAwaited(by: 3)
            let found = try await find(in: cluster)
            #expect(found.map(\.gid) == ["p1", "p2"])
            #expect(found.map(\.blockedCount) == [3, 0])
            #expect(Set(found[0].blocked.map(\.processID)) == Set(sessions.map(\.processID)))
            #expect(found[0].blocked.allSatisfy { $0.role == "postgres" && $0.waitingSince != nil })
            for session in sessions { session.close() }
            for wait in waits { _ = await wait.result }
        }
    }
}
