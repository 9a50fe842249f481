import EventLoop
import PostgresClient
import PostgresClusters
import Testing

@testable import PostgresTransactions

@Suite("Whose the prepared transactions are, asked for many at a time")
struct PreparedOwnersTests {
    @Test("each asker gets its own answer, and a lost connection is an error")
    func each() async throws {
        let cluster = try await PostgresCluster.start(
            name: "owners", settings: ["max_prepared_transactions": "50"],
            initialSQL: ["CREATE TABLE t (n int)", "CREATE ROLE other SUPERUSER LOGIN"])
        do {
            for number in 0..<40 {
                let role = number % 2 == 0 ? "postgres" : "other"
                _ = try await cluster.psql(
                    "SET ROLE \(role); BEGIN; INSERT INTO t VALUES (\(number)); "
                        + "PREPARE TRANSACTION 'gid \"\(number)\"'")
            }
            try await Self.ask(cluster.connectionString())
            for number in 0..<40 {
                _ = try await cluster.psql("ROLLBACK PREPARED 'gid \"\(number)\"'")
            }
        } catch {
            await cluster.remove()
            throw error
        }
        await cluster.remove()
    }

    @LoopActor
    private static func ask(_ conninfo: String) async throws {
        let options = try ConnectionOptions(conninfo: conninfo)
        let connections = [
            try await PostgresConnection.connect(options, timeout: .seconds(30), loop: .shared),
            try await PostgresConnection.connect(options, timeout: .seconds(30), loop: .shared),
        ]
        let owners = PreparedOwners(loop: .shared)
        let tasks = (0..<50).map { number in
            Task { @LoopActor in
                try await owners.owner(of: "gid \"\(number)\"", on: connections[number % 2])
            }
        }
        for (number, task) in tasks.enumerated() {
            let found = try await task.value
            let expected = number >= 40 ? nil : number % 2 == 0 ? "postgres" : "other"
            #expect(found?.role == expected)
            #expect(found?.database == (number >= 40 ? nil : "postgres"))
        }
        connections[0].close()
        await #expect(throws: PostgresError.self) {
            try await owners.owner(of: "gid \"0\"", on: connections[0])
        }
        #expect(try await owners.owner(of: "gid \"1\"", on: connections[1])?.role == "other")
        connections[1].close()
    }
}
