import CoordinatorAPI
import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import PostgresTransactions
import Testing

@testable import tandem

@Suite("Roles whose rights reach beyond a database")
struct PrivilegedRoleTests {
    /// How to give a role a right, and what takes it away.
    private static let rights: [(give: String, take: String)] = [
        ("ALTER ROLE app SUPERUSER", "ALTER ROLE app NOSUPERUSER"),
        ("ALTER ROLE app BYPASSRLS", "ALTER ROLE app NOBYPASSRLS"),
        ("ALTER ROLE app REPLICATION", "ALTER ROLE app NOREPLICATION"),
        ("ALTER ROLE app CREATEROLE", "ALTER ROLE app NOCREATEROLE"),
        ("GRANT pg_read_server_files TO app", "REVOKE pg_read_server_files FROM app"),
        ("GRANT pg_write_server_files TO app", "REVOKE pg_write_server_files FROM app"),
        ("GRANT pg_execute_server_program TO app", "REVOKE pg_execute_server_program FROM app"),
        (
            "GRANT pg_execute_server_program TO team; GRANT team TO app",
            "REVOKE team FROM app"
        ),
        ("ALTER ROLE boss SUPERUSER; GRANT boss TO app", "REVOKE boss FROM app"),
    ]

    private func role(
        _ cluster: PostgresCluster, isAllowed: Bool = false
    ) async throws -> Diagnosis.Check? {
        let diagnosis = await Diagnostics.examine(
            try ConnectionOptions(conninfo: cluster.connectionString(user: "app")),
            as: .participant, allowsFsyncOff: true, timeout: .seconds(30),
            allowsPrivilegedRole: isAllowed, loop: .shared)
        return diagnosis.checks.first { $0.name == "role" }
    }

    @Test func `tandem check names each right, and the SQL that takes it away`() async throws {
        try await PostgresCluster.withTemporary(name: "roles") { cluster in
            _ = try await cluster.psql(
                "CREATE ROLE app LOGIN; CREATE ROLE team; CREATE ROLE boss; "
                    + "CREATE ROLE peers; GRANT peers TO app; GRANT pg_monitor TO app")
            #expect(try await role(cluster)?.verdict == .ok)
            for (give, take) in Self.rights {
                _ = try await cluster.psql(give)
                let check = try #require(try await role(cluster))
                #expect(check.verdict == .failing, "\(give)")
                #expect(check.detail.contains(take), "\(check.detail)")
                #expect(try await role(cluster, isAllowed: true)?.verdict == .warning)
                _ = try await cluster.psql(take)
                #expect(try await role(cluster)?.verdict == .ok, "\(take)")
            }
        }
    }

    @Test func `a replica refuses such a role of a participant, and uses it once it is mended`()
        async throws
    {
        try await withTestbed { testbed in
            await testbed.replica.stop()
            try await testbed.asStranger(
                "users",
                [
                    "CREATE ROLE app LOGIN", "GRANT ALL ON users TO app",
                    "GRANT pg_read_server_files TO app",
                ])
            testbed.sandbox.addresses["users"] = try testbed.cluster("users")
                .connectionString(user: "app")
            // What the other databases are allowed is not allowed here.
            testbed.sandbox.privilegedServers.remove("users")
            let replica = try await testbed.sandbox.startReplica(
                1, port: testbed.client.port, isQuiet: true)
            let again = Testbed(
                sandbox: testbed.sandbox, client: testbed.client, replica: replica)
            let refused = try await again.get("/v1/participants/users").text
            #expect(refused.contains("REVOKE pg_read_server_files FROM app"), "\(refused)")
            #expect(try await again.run("INSERT INTO users VALUES ('a', 'a')").status == 503)
            try await again.asStranger("users", ["REVOKE pg_read_server_files FROM app"])
            try await again.until("the role is used") {
                try await again.get("/v1/participants/users").body["state"]?.string == "available"
            }
            #expect(try await again.commits(Testbed.pair("u1", "o1")))
        }
    }

    @Test func `a replica does not start with such a role of the state database`() async throws {
        try await PostgresCluster.withTemporary(name: "state") { cluster in
            var options = StateOptions(
                connection: try ConnectionOptions(conninfo: cluster.connectionString()),
                replica: "one")
            options.timeout = .seconds(30)
            #expect(await Self.refusal(of: options) == nil, "the library decides for itself")
            options.allowsPrivilegedRole = false
            let refusal = await Self.refusal(of: options)
            #expect(refusal?.contains("SUPERUSER") == true, "\(refusal ?? "")")
            #expect(refusal?.contains("tandem grants") == true, "the first role stays one")
        }
    }

    @LoopActor
    private static func refusal(of options: StateOptions) async -> String? {
        do {
            try await StateDatabase.connect(options, loop: .shared).close()
            return nil
        } catch {
            return "\(error)"
        }
    }
}
