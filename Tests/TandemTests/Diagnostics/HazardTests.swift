import CoordinatorAPI
import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import PostgresTransactions
import Testing

@testable import tandem

@Suite("What on a server can undo two-phase commit")
struct HazardTests {
    /// No released PostgreSQL has such a setting, so the view of settings shows one that is not there.
    static func orphanTimeout(_ seconds: Int) -> [String] {
        [
            "SET allow_system_table_mods = on",
            """
            CREATE OR REPLACE VIEW pg_catalog.pg_settings AS
            SELECT * FROM pg_catalog.pg_show_all_settings()
            UNION ALL SELECT 'prepared_orphaned_transaction_timeout', '\(seconds)', 's', category,
                short_desc, extra_desc, context, vartype, source, min_val, max_val, enumvals,
                boot_val, reset_val, sourcefile, sourceline, pending_restart
            FROM pg_catalog.pg_show_all_settings() WHERE name = 'max_connections'
            """,
        ]
    }

    /// As pg_cron has it, as far as it is read.
    static let cron = [
        "CREATE SCHEMA cron",
        "CREATE TABLE cron.job (jobid bigint, command text, active boolean, username name)",
        "INSERT INTO cron.job VALUES (1, 'VACUUM', true, 'postgres'), "
            + "(2, 'rollback\n prepared ''x''', false, 'postgres')",
    ]

    private func checks(_ cluster: PostgresCluster, user: String = "postgres") async throws
        -> Diagnosis
    {
        await Diagnostics.examine(
            try ConnectionOptions(conninfo: cluster.connectionString(user: user)),
            as: .participant, allowsFsyncOff: true, timeout: .seconds(300), loop: .shared)
    }

    private func found(_ name: String, _ diagnosis: Diagnosis) -> Diagnosis.Check? {
        diagnosis.checks.first { $0.name == name }
    }

    @Test func `tandem check names settings and jobs that end prepared transactions`() async throws
    {
        try await PostgresCluster.withTemporary(name: "hazards") { cluster in
            _ = try await cluster.psql(
                (["CREATE ROLE app LOGIN"] + Self.cron).joined(separator: "; "))
            #expect(found("hazards", try await checks(cluster))?.verdict == .ok)
            _ = try await cluster.psql(
                (Self.orphanTimeout(60) + ["UPDATE cron.job SET active = true"])
                    .joined(separator: "; "))
            let ill = try await checks(cluster)
            #expect(ill.verdict == .failing)
            let timeout = try #require(found("orphanTimeout", ill))
            #expect(timeout.verdict == .failing)
            #expect(timeout.detail.contains("prepared_orphaned_transaction_timeout = 60 s"))
            #expect(found("scheduledJob", ill)?.detail.contains("pg_cron job 2") == true)
            // Without the right to see the jobs.
            let poor = found("scheduledJob", try await checks(cluster, user: "app"))
            #expect(poor?.verdict == .warning)
            #expect(poor?.detail.contains("cron.job") == true)
            _ = try await cluster.psql(
                (Self.orphanTimeout(0) + ["DELETE FROM cron.job"]).joined(separator: "; "))
            #expect(found("hazards", try await checks(cluster))?.verdict == .ok)
        }
    }

    @Test func `tandem check names settings of durability, expiry, and overridden timeouts`()
        async throws
    {
        try await PostgresCluster.withTemporary(
            name: "durable", settings: ["full_page_writes": "off"]
        ) { cluster in
            _ = try await cluster.psql(
                "CREATE ROLE app LOGIN VALID UNTIL 'infinity'; "
                    + "CREATE ROLE soon LOGIN; "
                    + "ALTER ROLE app SET statement_timeout = '7min'; "
                    + "ALTER DATABASE postgres SET idle_session_timeout = '8min'")
            _ = try await cluster.psql(
                "DO $$BEGIN EXECUTE format('ALTER ROLE soon VALID UNTIL %L', now() + "
                    + "interval '1 day'); END$$")
            let app = try await checks(cluster, user: "app")
            #expect(found("fullPageWritesOff", app)?.verdict == .warning)
            #expect(found("roleExpires", app) == nil)
            let timeouts = try #require(found("timeouts", app))
            #expect(timeouts.verdict == .ok)
            for text in ["statement_timeout=7min", "idle_session_timeout=8min"] {
                #expect(timeouts.detail.contains(text), "\(timeouts.detail)")
            }
            let soon = try await checks(cluster, user: "soon")
            #expect(found("roleExpires", soon)?.verdict == .warning)
            #expect(found("timeouts", soon)?.detail.contains("statement_timeout") == false)
        }
    }

    @Test func `a running replica notices what comes and goes, logs it, and shows it as a metric`()
        async throws
    {
        try await withTestbed(
            settings: [
                "transactions: { scanIntervalMilliseconds: 50, hazardIntervalMilliseconds: 50 }"
            ],
            servers: ["state": ["full_page_writes": "off"]]
        ) { testbed in
            func value(_ sample: String) async throws -> String? {
                let text = try Testbed.answer(
                    await testbed.client.get("/metrics"), isJSON: false
                ).text
                return text.split(separator: "\n").first { $0.hasPrefix(sample + " ") }
                    .map { String($0.dropFirst(sample.count + 1)) }
            }
            let hazard = #"tandem_hazard{hazard="orphan_timeout",participant="users"}"#
            try await testbed.until("it is read") { try await value(hazard) == "0" }
            try await testbed.asStranger("users", Self.orphanTimeout(60))
            try await testbed.until("it is noticed") { try await value(hazard) == "1" }
            let shown = try await testbed.get("/v1/participants/users").body["hazards"]
            let found = shown?["found"]?.elements.first { $0["kind"]?.string == "orphanTimeout" }
            #expect(found?["undoesCommits"] == .bool(true))
            #expect(
                found?["cause"]?.string?.contains("prepared_orphaned_transaction_timeout") == true)
            try await testbed.asStranger("users", Self.orphanTimeout(0))
            try await testbed.until("it is gone") { try await value(hazard) == "0" }
            let log = testbed.log(of: 1)
            #expect(log.contains("prepared_orphaned_transaction_timeout = 60 s"))
            #expect(log.contains("a hazard of a server is gone"))
            let state = #"tandem_state_database_hazard{hazard="full_page_writes_off"}"#
            try await testbed.until("the state database is read") { try await value(state) == "1" }
            let left = try await value(#"tandem_transaction_ids_left{participant="users"}"#)
            let ids = try #require(left.flatMap(Double.init))
            #expect(ids > 2_000_000_000 && ids < 2_144_483_647)
        }
    }
}
