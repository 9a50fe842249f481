import CoordinatorAPI
import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import Testing

@testable import tandem

@Suite("The main job with the rights that tandem grants prints, and no others", .serialized)
struct GrantsTests {
    /// The keys that a replica and the commands take from the environment, by the server's name.
    private static func addresses(_ testbed: Testbed, stateRole: String) throws -> [String: String]
    {
        [
            "TANDEM_STATE_CONNINFO": try testbed.cluster("state")
                .connectionString(user: stateRole),
            "TANDEM_PARTICIPANTS_USERS_CONNINFO": try testbed.cluster("users")
                .connectionString(user: "work"),
            "TANDEM_PARTICIPANTS_ORDERS_CONNINFO": try testbed.cluster("orders")
                .connectionString(user: "work"),
            "TANDEM_PARTICIPANTS_USERS_JOURNAL": "true",
            "TANDEM_PARTICIPANTS_ORDERS_WITNESS": "true",
        ]
    }

    private static func run(
        _ testbed: Testbed, _ arguments: [String], stateRole: String = "app"
    ) async throws -> String {
        let result = try await testbed.sandbox.runProgram(
            arguments, environment: addresses(testbed, stateRole: stateRole))
        #expect(result.status == .exited(0), "\(result.output) \(result.errors)")
        return result.output
    }

    /// A testbed whose replica has only the rights that the command prints.
    private func withLeastRights(_ body: (Testbed) async throws -> Void) async throws {
        try await withTestbed(settings: ResolutionTests.quick) { first in
            await first.replica.stop()
            let sandbox = first.sandbox
            try await first.asStranger("state", ["DROP SCHEMA tandem CASCADE"])
            for name in Sandbox.serverNames {
                let sql = try await Self.run(first, ["grants", "--database", name])
                _ = try await first.cluster(name).psql(sql)
            }
            _ = try await Self.run(first, ["migrate"], stateRole: "app_owner")
            let rights = try await Self.run(first, ["grants", "--after-migrate"])
            _ = try await first.cluster("state").psql(rights, user: "app_owner")
            for name in Sandbox.participantNames {
                try await first.asStranger(
                    name, ["GRANT SELECT, INSERT, UPDATE ON users, orders, accounts TO work"])
                sandbox.addresses[name] = try first.cluster(name).connectionString(user: "work")
            }
            sandbox.addresses["state"] = try first.cluster("state").connectionString(user: "app")
            sandbox.privilegedServers = []
            sandbox.keys = ["users": "journal: true", "orders": "witness: true"]
            let replica = try await sandbox.startReplica(
                1, port: first.client.port, isQuiet: true)
            let testbed = Testbed(sandbox: sandbox, client: first.client, replica: replica)
            try await testbed.untilAvailable()
            try await body(testbed)
        }
    }

    @Test func `commits, aborts, recovers after a kill, answers again, and resolves`() async throws
    {
        try await withLeastRights { testbed in
            #expect(try await testbed.commits(Testbed.pair("u0", "o0"), key: "k"))
            let again = try await testbed.post(Testbed.pair("u0", "o0"), key: "k")
            #expect(again.status == 201)
            #expect(try await testbed.post(Testbed.pair("u0", "o9")).status == 409)
            #expect(try await testbed.get("/v1/transactions").status == 200)
            #expect(try await testbed.get("/v1/participants/users/prepared").status == 200)
            #expect(
                try await testbed.value(
                    "users", "SELECT count(*) FROM tandem_participant.decisions") != nil)
            let checked = try await testbed.sandbox.runProgram(["check"])
            #expect(checked.status == .exited(0), "\(checked.output)")
            // The next incarnation finishes what a killed one has decided; an operator resolves the rest.
            testbed.sandbox.keys["users"] = nil
            await testbed.replica.kill()
            let replica = try await testbed.sandbox.startReplica(
                1, port: testbed.client.port, isQuiet: true)
            let second = Testbed(
                sandbox: testbed.sandbox, client: testbed.client, replica: replica)
            let id = try await second.leaveInDoubtWithOthers("u1", "o1")
            _ = try await testbed.cluster("users").psql(
                "ROLLBACK PREPARED '\(try await testbed.gid(1))'")
            try await testbed.startAgain()
            _ = try await testbed.status(id, "it needs an operator, and has finished") {
                $0["state"]?.string == "needsOperator" && $0["finishedAt"]?.string != nil
            }
            #expect(try await testbed.value("orders", "SELECT count(*) FROM orders") == "2")
            let tag = "If-Match: " + (try await testbed.entityTag(id))
            let word = ResolutionTests.body(0, "committed", force: true)
            let path = "/v1/transactions/\(id)/resolution"
            #expect(try await testbed.post(path, word, fields: [tag]).status == 200)
            try await testbed.until("the audit trail has it") {
                try await testbed.value("state", "SELECT count(*) FROM tandem.audit") == "1"
            }
        }
    }

    /// What the state database's role must not be able to do.
    private static let forbidden = [
        "DELETE FROM tandem.transactions", "TRUNCATE tandem.transactions",
        "DELETE FROM tandem.audit", "UPDATE tandem.audit SET actor = 'x'",
        "DELETE FROM tandem.resolutions", "UPDATE tandem.resolutions SET actor = 'x'",
        "UPDATE tandem.transactions SET decision = 'abort'",
        "UPDATE tandem.transactions SET decision = NULL, decided_at = NULL, finished_at = NULL",
        "UPDATE tandem.transactions SET gids = '{}'", "UPDATE tandem.transactions SET salt = 1",
        "ALTER TABLE tandem.transactions DISABLE TRIGGER ALL",
        "DROP TRIGGER decision_is_written_once ON tandem.transactions",
        "CREATE OR REPLACE FUNCTION tandem.refuse_decision_change() RETURNS trigger "
            + "LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica", "DROP SCHEMA tandem CASCADE",
        "DELETE FROM tandem.installation", "UPDATE tandem.installation SET id = gen_random_uuid()",
        "CREATE TABLE tandem.other (a int)",
    ]

    @Test func `the state database's role deletes no transaction and changes no decision`()
        async throws
    {
        try await withLeastRights { testbed in
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
            let state = try testbed.cluster("state")
            let wrong = try await testbed.sandbox.runProgram(["grants", "--database", "nowhere"])
            #expect(wrong.status != .exited(0))
            #expect(wrong.errors.contains("one of state, users, orders, got \"nowhere\""))
            for sql in Self.forbidden {
                await #expect(throws: ClusterError.self, "\(sql)") {
                    _ = try await state.psql(sql, user: "app")
                }
            }
            let row = "SELECT decision, state FROM tandem.transactions"
            try await testbed.until("it is committed, and untouched") {
                try await state.psql(row) == "commit|committed"
            }
            // Retention removes what is finished, and what is not stays.
            let retention = "SELECT tandem.remove_finished(0, 10)"
            _ = try await state.psql(
                "INSERT INTO tandem.transactions (number, salt, principal, isolation, label_names, "
                    + "label_values, owner, epoch, accepted_at, deadline, participants, gids, state) "
                    + "SELECT 999999, 0, '', isolation, '{}', '{}', owner, epoch, now(), 'infinity', "
                    + "participants, gids, 'preparing' FROM tandem.transactions")
            #expect(try await state.psql(retention, user: "app") == "1")
            #expect(try await state.psql("SELECT number FROM tandem.transactions") == "999999")
            let stranger = try await state.psql("CREATE ROLE stranger LOGIN; SELECT 1")
            #expect(stranger == "1")
            await #expect(throws: ClusterError.self) {
                _ = try await state.psql(retention, user: "stranger")
            }
        }
    }

    @Test func `a participant's role changes no decision of its journal`() async throws {
        try await withLeastRights { testbed in
            let users = try testbed.cluster("users")
            for sql in [
                "INSERT INTO tandem_participant.decisions (installation, number, salt, decision) "
                    + "VALUES (gen_random_uuid(), 1, 1, 'commit')",
                "UPDATE tandem_participant.decisions SET decision = 'abort'",
                "DELETE FROM tandem_participant.decisions",
                "ALTER TABLE tandem_participant.decisions DISABLE TRIGGER ALL",
            ] {
                await #expect(throws: ClusterError.self, "\(sql)") {
                    _ = try await users.psql(sql, user: "work")
                }
            }
        }
    }

}

extension Testbed {
    /// As `leaveInDoubt`, where the state database has other transactions.
    fileprivate func leaveInDoubtWithOthers(
        _ user: String, _ order: String
    ) async throws -> String {
        try await asStranger("state", ["SELECT tandem.remove_finished(0, 1000)"])
        return try await leaveInDoubt(user, order)
    }
}
