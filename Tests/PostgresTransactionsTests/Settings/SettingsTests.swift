import EventLoop
import Logging
import PostgresClient
import PostgresClusters
import Testing

@testable import PostgresTransactions

@Suite("Settings of PostgreSQL: the page, the code and the server agree")
struct SettingsTests {
    private static let sessions: [(column: String, settings: SessionSettings)] = [
        ("state", .state()),
        ("working", .work(statementTimeout: .seconds(30), lockTimeout: .seconds(5))),
        ("finishing", .finish), ("reading", .statusReading), ("check", .examination),
    ]

    /// A later PostgreSQL that has one more makes this fail, with its name.
    @Test("every setting that a role, a database or a caller can change is on the page")
    func everySetting() async throws {
        let known = try SettingsPage().names
        try await PostgresCluster.withTemporary { cluster in
            let names = try await cluster.psql(
                """
                SELECT name FROM pg_settings WHERE name NOT LIKE '%.%'
                    AND context IN ('user', 'superuser', 'backend', 'superuser-backend')
                """)
            let found = Set(names.split(separator: "\n").map(String.init))
            #expect(found.count > 150)
            #expect(found.subtracting(known).sorted() == [])
        }
    }

    @Test("the page lists exactly the settings that each kind of session makes")
    func values() throws {
        let page = try SettingsPage().values
        #expect(page.count > 20)
        for (column, settings) in Self.sessions {
            let said = page.compactMapValues { $0[column] ?? nil }
            var set = Dictionary(
                uniqueKeysWithValues: settings.settings.map { ($0.name, $0.value) })
            // By the client, which knows no other encoding.
            set["client_encoding"] = "UTF8"
            #expect(said == set, "\(column)")
        }
    }

    @Test("settings take effect either way, and those of the startup packet survive RESET ALL")
    func inForce() async throws {
        try await PostgresCluster.withTemporary { try await Self.expectInForce($0) }
    }

    @LoopActor
    private static func expectInForce(_ cluster: PostgresCluster) async throws {
        let options = try ConnectionOptions(conninfo: cluster.connectionString())
        for (column, settings) in sessions {
            let isReset = column == "working"
            let started = isReset || column == "finishing" || column == "reading"
            let connection = try await PostgresConnection.connect(
                started ? options.overriding(["options": settings.startup]) : options,
                timeout: .seconds(300), loop: .shared)
            defer { connection.close() }
            if !started {
                let hello = Command("SELECT 1", cached: false)
                _ = try await connection.set(settings, thenRun: hello, timeout: .seconds(300))
            }
            if isReset {
                _ = try await connection.query("SET client_min_messages = 'error'")
                _ = try await connection.query("RESET ALL")
            }
            for setting in settings.known {
                // `pg_settings` counts in a setting's unit; it does not show a role.
                let row = try await connection.query(
                    "SELECT coalesce((SELECT setting FROM pg_catalog.pg_settings WHERE name = $1), "
                        + "current_setting($1))", [setting.name])
                #expect(
                    row.text(row: 0, column: 0) == setting.value, "\(setting.name), \(column)")
            }
        }
    }

    @Test("refuses a session whose settings a pooler dropped, and names them")
    func dropped() async throws {
        try await PostgresCluster.withTemporary(
            settings: ["max_prepared_transactions": "10", "fsync": "off"]
        ) { cluster in
            _ = try await cluster.psql("CREATE ROLE app SUPERUSER LOGIN")
            _ = try await cluster.psql("ALTER ROLE app SET client_min_messages = 'error'")
            let refusal = try await Self.refusal(of: cluster, options: [:])
            #expect(refusal?.contains("client_min_messages") == true)
            #expect(refusal?.contains("pooler") == true)
            let whole = ["options": SessionSettings.finish.startup]
            #expect(try await Self.refusal(of: cluster, options: whole) == nil)
            // Set in the session alone, it would be gone after the first branch.
            _ = try await cluster.psql("ALTER ROLE app SET zero_damaged_pages = on")
            let doubtful = try await Self.refusal(of: cluster, options: whole)
            #expect(doubtful?.contains("zero_damaged_pages = on") == true)
        }
    }

    /// Why a session of role `app` is not admitted; nil if it is.
    @LoopActor
    private static func refusal(
        of cluster: PostgresCluster, options: [String: String]
    ) async throws -> String? {
        var participant = ParticipantOptions(
            name: "users",
            connection: try ConnectionOptions(conninfo: cluster.connectionString(user: "app")))
        participant.connectTimeout = .seconds(300)
        let connection = try await PostgresConnection.connect(
            participant.connection.overriding(options), timeout: .seconds(300), loop: .shared)
        defer { connection.close() }
        let registry = SessionRegistry(allowsFsyncOff: true)
        do {
            _ = try await registry.admit(connection, of: participant, set: .finish)
            return nil
        } catch let refusal as SessionRefusal {
            return refusal.description
        }
    }

    @Test(
        "a state database whose rows could change or be missing unnoticed is refused",
        arguments: [
            "session_replication_role = replica", "zero_damaged_pages = on",
            "ignore_checksum_failure = on",
        ])
    func unsafe(setting: String) async throws {
        try await PostgresCluster.withTemporary(settings: ["fsync": "off"]) { cluster in
            _ = try await cluster.psql("CREATE ROLE app SUPERUSER LOGIN")
            _ = try await cluster.psql("ALTER ROLE app SET \(setting)")
            let connection = try ConnectionOptions(conninfo: cluster.connectionString(user: "app"))
            var options = StateOptions(connection: connection, replica: "one")
            options.allowsFsyncOff = true
            options.timeout = .seconds(300)
            let refused = await #expect(throws: StateDatabaseError.self) {
                _ = try await StateDatabase.connect(options, loop: .shared)
            }
            #expect(refused?.description.contains(setting) == true)
            let check = await Diagnostics.examine(
                connection, as: .state, allowsFsyncOff: true, timeout: .seconds(300), loop: .shared)
            #expect(check.checks.first { $0.name == "settings" }?.verdict == .failing)
        }
    }

    @Test("sets before each transaction only what a startup packet cannot")
    func adjustments() {
        func found(_ date: String, _ interval: String, _ timeout: String?) -> [String] {
            SessionAdmission.adjustments(
                dateStyle: date, intervalStyle: interval, transactionTimeout: timeout
            ).map(\.sql)
        }
        #expect(found("ISO, DMY", "postgres", nil) == [])
        #expect(found("ISO, MDY", "sql_standard", "0") == [])
        #expect(
            found("SQL, DMY", "iso_8601", "10s")
                == [
                    "SET DateStyle = 'ISO'", "SET IntervalStyle = 'postgres'",
                    "SET transaction_timeout = 0",
                ])
    }

    /// The fence asks for pid and start of a session.
    @Test("shows the start of a session whose activity is not tracked")
    func untracked() async throws {
        try await PostgresCluster.withTemporary { try await Self.expectStart($0) }
    }

    @LoopActor
    private static func expectStart(_ cluster: PostgresCluster) async throws {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(
                conninfo: cluster.connectionString(),
                overriding: ["options": "-c track_activities=off"]), timeout: .seconds(300),
            loop: .shared)
        defer { connection.close() }
        let seen = try await cluster.psql(
            "SELECT backend_start IS NOT NULL FROM pg_stat_activity "
                + "WHERE pid = \(connection.processID)")
        #expect(seen.contains("t"))
    }
}
