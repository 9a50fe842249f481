import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

/// Every server as careless an administrator could have left it, for the role and for the database.
@Suite("Defaults of a role and a database that would break us: what we need is set", .serialized)
struct HostileDefaults {
    /// Whatever would change what a statement means, what a value looks like, how long a session or a
    /// wait may last, or who is answered.
    private static let everywhere = [
        "client_min_messages = 'error'", "synchronous_commit = 'off'", "array_nulls = off",
        "extra_float_digits = -15", "bytea_output = 'escape'", "DateStyle = 'German, DMY'",
        "IntervalStyle = 'iso_8601'", "TimeZone = 'Asia/Kathmandu'",
        "standard_conforming_strings = off", "backslash_quote = off",
        "escape_string_warning = on", "transform_null_equals = on", "quote_all_identifiers = on",
        "xmlbinary = 'hex'", "xmloption = 'document'", "exit_on_error = on", "row_security = off",
        "default_transaction_isolation = 'serializable'", "default_transaction_read_only = on",
        "default_transaction_deferrable = on", "default_table_access_method = 'other'",
        "check_function_bodies = off", "gin_fuzzy_search_limit = 1",
        "stats_fetch_consistency = 'snapshot'", "plan_cache_mode = 'force_custom_plan'",
        "jit_above_cost = 0", "enable_indexscan = off", "enable_bitmapscan = off",
        "work_mem = '64kB'", "temp_buffers = '800kB'", "commit_delay = 1000",
        "commit_siblings = 0", "constraint_exclusion = on", "parallel_setup_cost = 0",
        "client_connection_check_interval = '1s'", "search_path = decoys, public, pg_catalog",
    ]

    /// As short as a participant's may be, whose sessions begin with ours; a session of the state
    /// database sets its own right after it has begun.
    private static func timeouts(_ name: String) -> [String] {
        let short = name == "state" ? "2s" : "1ms"
        return [
            "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout",
            "idle_session_timeout",
        ].map { "\($0) = '\(short)'" }
    }

    /// In front of PostgreSQL's own on the role's search path, where callers' SQL is to find them, and
    /// ours is not.
    private static let decoys = [
        "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler",
        "CREATE SCHEMA decoys",
        "CREATE FUNCTION decoys.pg_backend_pid() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION decoys.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true'",
        "CREATE FUNCTION decoys.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT 'off'$$",
        "CREATE FUNCTION decoys.now() RETURNS timestamptz LANGUAGE sql "
            + "AS $$SELECT 'infinity'::timestamptz$$",
        "CREATE FUNCTION decoys.pg_advisory_unlock_all() RETURNS void LANGUAGE plpgsql "
            + "AS $$BEGIN RAISE EXCEPTION 'a decoy'; END$$",
        "CREATE FUNCTION decoys.nothing(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false'",
        "CREATE OPERATOR decoys.= (LEFTARG = int, RIGHTARG = int, FUNCTION = decoys.nothing)",
        "CREATE TABLE decoys.pg_prepared_xacts (gid text)",
        "CREATE TABLE decoys.pg_stat_activity (pid int)",
        "CREATE TABLE decoys.pg_settings (name text)",
        "CREATE TABLE decoys.transactions (number bigint)",
    ]

    private static let journal = ["users": "journal: true, witness: true"]

    private func withHostileDefaults(
        keys: [String: String] = Self.journal, _ body: (Testbed) async throws -> Void
    ) async throws {
        try await withCarelessDefaults(settings: ResolutionTests.quick, keys: keys) { testbed in
            for name in Sandbox.serverNames {
                try await testbed.asStranger(name, Self.decoys)
                try await testbed.set(Self.everywhere + Self.timeouts(name), in: name)
                // New in PostgreSQL 17; it ends every session that takes longer.
                let isKnown = "SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'"
                if try await testbed.value(name, isKnown) == "1" {
                    try await testbed.set(["transaction_timeout = '2s'"], in: name)
                }
                try await testbed.setDatabase(
                    ["synchronous_commit = 'local'", "bytea_output = 'escape'"], in: name)
            }
            for name in Sandbox.participantNames {
                try await testbed.asStranger(name, ["CREATE ROLE guest"])
                try await testbed.set(["role = 'guest'"], in: name)
            }
        } _: {
            try await body($0)
        }
    }

    @Test("the main job: both, none, and the same answer to the same key; by every way to end")
    func mainJob() async throws {
        try await withHostileDefaults { testbed in
            let answer = try await testbed.post(Testbed.pair("u1", "o1"), key: "k")
            #expect([201, 202].contains(answer.status), "\(answer.text)")
            try await testbed.until("it is committed") {
                try await testbed.newest("state") == ["committed"]
            }
            let again = try await testbed.post(Testbed.pair("u1", "o1"), key: "k")
            #expect(again.status == 201 && again.body["id"] == answer.body["id"])
            let refused = try await testbed.post(Testbed.pair("u1", "o2"))
            #expect(refused.status == 409)
            #expect(refused.body["sqlstate"]?.string == "23505", "\(refused.text)")
            #expect(try await testbed.commits(Testbed.journalled("a")))
            #expect(try await testbed.newest("journal_server IS NOT NULL") == ["t"])
            #expect(try await testbed.commits(Testbed.onePhase("b", orders: 2)))
            let reads = [
                Testbed.branch("users", "SELECT 1", readOnly: true),
                Testbed.branch("orders", "INSERT INTO orders VALUES ('c', 'c', 1)"),
            ]
            #expect(try await testbed.commits(Testbed.request(reads)))
            try await testbed.expectQuiet(users: 3, orders: 3)
            try await expectOurTables(testbed)
        }
    }

    /// None of what we made is of another kind than we need.
    private func expectOurTables(_ testbed: Testbed) async throws {
        for name in ["state", "users"] {
            let methods = try await testbed.value(
                name,
                "SELECT string_agg(DISTINCT a.amname, ' ') FROM pg_class AS c "
                    + "JOIN pg_am AS a ON a.oid = c.relam WHERE c.relkind = 'r' "
                    + "AND c.relnamespace::regnamespace::text LIKE 'tandem%'")
            #expect(methods == "heap")
        }
    }

    @Test("values are exact and in one form, and are read as the team's defaults say")
    func values() async throws {
        let look =
            "SELECT 0.1::float8 + 0.2::float8 AS sum, 1.10::numeric AS price, "
            + "'\\xdeadbeef'::bytea AS bytes, "
            + "'1 day 2 hours'::interval AS span, '03/04/2026'::date AS day, "
            + "'2026-01-01 00:00:00.000001+00'::timestamptz AS at, "
            + "('{NULL,a}'::text[])[1] IS NULL AS gap, "
            + "pg_catalog.current_setting('TimeZone') AS zone, current_setting('x') AS decoy"
        let expected: [String: JSONValue] = [
            "sum": .number("0.30000000000000004"), "price": .number("1.10"),
            "bytes": .string("\\xdeadbeef"), "span": .string("1 day 02:00:00"),
            "day": .string("2026-04-03"),
            "at": .string("2026-01-01 05:45:00.000001+05:45"), "gap": .bool(true),
            "zone": .string("Asia/Kathmandu"), "decoy": .string("off"),
        ]
        try await withHostileDefaults { testbed in
            for request in [
                Testbed.request([Testbed.branch("orders", look)]),
                Testbed.request([Testbed.branch("orders", look)]),
                Testbed.request([Testbed.branch("orders", look)], onePhase: true),
                Testbed.request([Testbed.branch("orders", look, readOnly: true)]),
                Testbed.request([Testbed.branch("users", look)]),
            ] {
                let answer = try await testbed.post(request)
                let row = answer.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
                for (name, value) in expected {
                    #expect(row?[name] == value, "\(name) in \(answer.text)")
                }
            }
            // The limit of rows still counts the caller's, and nothing else.
            for (count, isWithin) in [(1000, true), (1001, false)] {
                let sql = "SELECT pg_catalog.generate_series(1, \(count)) AS n"
                let rows = try await testbed.post(Testbed.request([Testbed.branch("orders", sql)]))
                #expect((rows.type != "/problems/result-too-large") == isWithin, "\(count)")
            }
        }
    }

    @Test("recovery: the decision that a dead replica left is carried out by the next incarnation")
    func recovery() async throws {
        try await withHostileDefaults(keys: [:]) { testbed in
            _ = try await testbed.leaveInDoubt("u1", "o1")
            try await testbed.startAgain()
            try await testbed.until("the next incarnation commits it") {
                try await testbed.newest("state") == ["committed"]
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("recovery: what a dead replica left to a journal is aborted there")
    func journalRecovery() async throws {
        try await withHostileDefaults { testbed in
            try await testbed.dies(at: "commitLocally.before.0", Testbed.journalled("a"))
            try await testbed.nextIncarnation()
            try await testbed.until("it is aborted") {
                try await testbed.newest("state") == ["aborted"]
            }
            #expect(try await testbed.journal() == ["abort"])
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }
}
