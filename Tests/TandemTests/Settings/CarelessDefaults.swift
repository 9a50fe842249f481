import PostgresClusters
import Testing

@testable import tandem

/// As `withCommitModes`, with a role of the replicas' own on every server, whose sessions start with
/// these settings; the test's own sessions are another role's.
func withCarelessDefaults(
    settings: [String] = [], keys: [String: String] = [:],
    _ prepare: (Testbed) async throws -> Void, _ body: (Testbed) async throws -> Void
) async throws {
    var patient = keys
    patient["state"] = "timeoutMilliseconds: 30000"
    try await withCommitModes(settings: settings, keys: patient) { first in
        await first.replica.stop()
        for name in Sandbox.serverNames {
            try await first.asStranger(name, ["CREATE ROLE app SUPERUSER LOGIN"])
            first.sandbox.addresses[name] = try first.cluster(name).connectionString(user: "app")
        }
        // What the next replica needs it makes anew, in sessions of the role.
        try await first.asStranger("state", ["DROP SCHEMA tandem CASCADE"])
        try await first.asStranger("users", ["DROP SCHEMA IF EXISTS tandem_participant CASCADE"])
        try await prepare(first)
        let replica = try await first.sandbox.startReplica(
            1, port: first.client.port, isQuiet: true)
        let testbed = Testbed(sandbox: first.sandbox, client: first.client, replica: replica)
        try await testbed.untilAvailable()
        try await body(testbed)
    }
}

extension Testbed {
    /// Makes these the role's defaults on a server.
    func set(_ settings: [String], in name: String) async throws {
        try await asStranger(name, settings.map { "ALTER ROLE app SET \($0)" })
    }

    /// The same of the database's, for every role there.
    func setDatabase(_ settings: [String], in name: String) async throws {
        try await asStranger(
            name,
            settings.map {
                "DO $do$BEGIN EXECUTE format($$ALTER DATABASE %I SET \($0)$$, "
                    + "current_database()); END$do$"
            })
    }

    /// How many sessions of these programs wait for a standby.
    func waitingForStandby(_ program: String, in name: String) async throws -> Bool {
        try await value(
            name,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' "
                + "AND application_name LIKE '\(program)%'") == "t"
    }

    /// Cuts those waits short, which PostgreSQL takes for a success with a warning.
    @discardableResult
    func cutShort(_ program: String = "", in name: String) async throws -> Int {
        let count = try await value(
            name,
            "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                + "WHERE wait_event = 'SyncRep' AND application_name LIKE '\(program)%'")
        return count.flatMap { Int($0) } ?? 0
    }
}
