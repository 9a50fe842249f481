import CoordinatorAPI
import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters
import Testing

@testable import PostgresTransactions
@testable import tandem

@Suite("Replicas that differ: older programs, other configurations, other roles", .serialized)
struct UpgradeTests {
    @Test("a later migration is applied to an older schema, once")
    func appliesLaterMigration() async throws {
        try await PostgresCluster.withTemporary(name: "schema") { cluster in
            try await Self.expect([1], migrating: cluster, with: Migration.all)
            try await Self.expect([2, 3], migrating: cluster, with: Self.migrations)
            try await Self.expect([], migrating: cluster, with: Self.migrations)
            #expect(try await cluster.psql("SELECT note FROM tandem.later") == "3")
        }
    }

    @Test("a schema with a migration missing, renamed or newer than this program is refused whole")
    func refusesForeignSchema() async throws {
        try await PostgresCluster.withTemporary(name: "schema") { cluster in
            try await Self.expect([1, 2, 3], migrating: cluster, with: Self.migrations)
            for (change, repair, words) in Self.disorders {
                _ = try await cluster.psql(change)
                let error = await #expect(throws: StateDatabaseError.self) {
                    _ = try await Self.migrate(cluster, with: Self.migrations)
                }
                #expect(error?.description.contains(words) == true, "\(words): \(error as Any)")
                _ = try await cluster.psql(repair)
            }
            try await Self.expect([], migrating: cluster, with: Self.migrations)
        }
    }

    @Test("an older replica goes on beside a column that a newer one added, but starts no more")
    func worksOnNewerSchema() async throws {
        try await withTestbed { testbed in
            for change in [
                "ALTER TABLE tandem.transactions ADD COLUMN later int NOT NULL DEFAULT 1",
                "INSERT INTO tandem.migrations (number, name) VALUES (999, 'later')",
            ] {
                _ = try await testbed.value("state", change)
            }
            #expect(try await testbed.commits(Testbed.pair("u1", "o1"), key: "upgrade-1"))
            try await testbed.expectQuiet(users: 1, orders: 1)
            let error = await #expect(throws: LoopbackHTTP.Failure.self) {
                _ = try await testbed.sandbox.startReplica(2, isQuiet: true)
            }
            #expect(error?.description.contains("newer tandem") == true, "\(error as Any)")
            #expect(try await testbed.commits(Testbed.pair("u2", "o2"), key: "upgrade-2"))
        }
    }

    private static func expect(
        _ applied: [Int], migrating cluster: PostgresCluster, with migrations: [Migration]
    ) async throws {
        let numbers = try await migrate(cluster, with: migrations)
        #expect(numbers == applied)
    }

    /// This program's migrations, and two of a later one.
    private static let migrations =
        Migration.all + [
            Migration(
                number: 2, name: "table", statements: ["CREATE TABLE tandem.later (note int)"]),
            Migration(number: 3, name: "row", statements: ["INSERT INTO tandem.later VALUES (3)"]),
        ]

    /// What is broken, how it is repaired, and words of the error.
    private static let disorders = [
        (
            "CREATE TABLE kept AS SELECT * FROM tandem.migrations; "
                + "DELETE FROM tandem.migrations WHERE number = 2",
            "INSERT INTO tandem.migrations SELECT * FROM kept WHERE number = 2",
            "2 before it is not"
        ),
        (
            "UPDATE tandem.migrations SET name = 'x' WHERE number = 3",
            "UPDATE tandem.migrations AS m SET name = k.name FROM kept AS k "
                + "WHERE m.number = k.number",
            "another program"
        ),
        (
            "INSERT INTO tandem.migrations (number, name) VALUES (999, 'later')",
            "DELETE FROM tandem.migrations WHERE number = 999", "newer tandem"
        ),
    ]

    @LoopActor
    private static func migrate(
        _ cluster: PostgresCluster, with migrations: [Migration]
    ) async throws -> [Int] {
        let options = try ConnectionOptions(conninfo: cluster.connectionString())
        let connection = try await PostgresConnection.connect(
            options, timeout: .seconds(30), loop: .shared)
        defer { connection.close() }
        return try await Migrator.migrate(connection, with: migrations)
    }

    @Test("SQL that changes the role: the branch is still our own to end, who are no superuser")
    func roleChanged() async throws {
        let keys = ["users": "connectTimeoutMilliseconds: 300000"]
        try await withTestbed(settings: ResolutionTests.quick, keys: keys) { testbed in
            await testbed.replica.stop()
            for sql in [
                "CREATE ROLE app LOGIN", "CREATE ROLE other", "GRANT other TO app",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO app, other",
            ] {
                _ = try await testbed.value("users", sql)
            }
            testbed.sandbox.addresses["users"] = try testbed.cluster("users")
                .connectionString(user: "app")
            try await testbed.startAgain()
            try await testbed.untilAvailable()
            let committed = try await testbed.commits(
                Testbed.request([
                    Testbed.branch("users", "SELECT set_config('role', 'other', false)"),
                    Testbed.branch("users", "INSERT INTO users VALUES ('a', 'x')"),
                    Testbed.branch("orders", "INSERT INTO orders VALUES ('a', 'a', 1)"),
                ]))
            #expect(committed)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a witness table of another role: refused with the SQL that allows it, then used")
    func foreignWitness() async throws {
        let keys = ["users": "witness: true, connectTimeoutMilliseconds: 300000"]
        try await withTestbed(settings: ResolutionTests.quick, keys: keys) { testbed in
            await testbed.replica.stop()
            for sql in [
                "DROP SCHEMA IF EXISTS tandem_participant CASCADE", "CREATE ROLE app LOGIN",
                "GRANT ALL ON ALL TABLES IN SCHEMA public TO app",
                "CREATE SCHEMA tandem_participant",
                "CREATE TABLE tandem_participant.witness (gid text PRIMARY KEY, "
                    + "at timestamptz NOT NULL DEFAULT clock_timestamp())",
            ] {
                _ = try await testbed.value("users", sql)
            }
            testbed.sandbox.addresses["users"] = try testbed.cluster("users")
                .connectionString(user: "app")
            try await testbed.startAgain()
            var answer = ""
            try await testbed.until("it says what is missing") {
                answer = try await testbed.get("/v1/participants/users").text
                return answer.contains("GRANT SELECT, INSERT, DELETE")
            }
            #expect(answer.contains("GRANT USAGE ON SCHEMA tandem_participant"))
            for sql in [
                "GRANT USAGE ON SCHEMA tandem_participant TO app",
                "GRANT SELECT, INSERT, DELETE ON tandem_participant.witness TO app",
            ] {
                _ = try await testbed.value("users", sql)
            }
            try await testbed.untilAvailable()
            #expect(
                try await testbed.commits(
                    ReplicaTestbed.body("INSERT INTO users VALUES ('a', 'x')")))
            #expect(
                try await testbed.value(
                    "users", "SELECT count(*) FROM tandem_participant.witness") == "1")
            let changed = try await testbed.run(
                "DO $$BEGIN EXECUTE 'UPDATE tandem_' || 'participant.witness SET gid = gid'; END$$")
            #expect(changed.body["sqlstate"]?.string == "42501")
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }
}
