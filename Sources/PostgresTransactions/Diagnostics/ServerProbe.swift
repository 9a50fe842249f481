import EventLoop
import PostgresClient

/// What a server says about itself, and what is to be thought of it.
struct ServerProbe {
    private let version: String
    private let versionNumber: Int
    let isStandby: Bool
    private let isFsyncOn: Bool
    private let synchronousCommit: String
    private let encodingName: String
    private let slotLimit: Int
    private let slotsUsed: Int
    private let user: String
    private let isSuperuser: Bool
    private let skewSeconds: Int
    private let system: String?
    private let missingRights: [String]

    /// The functions and views that tandem calls there.
    private static let neededByAll = ["pg_control_system()", "pg_is_in_recovery()"]
    private static let neededByParticipants =
        neededByAll + [
            "pg_terminate_backend(integer, bigint)", "pg_xact_status(xid8)",
            "pg_current_xact_id()", "pg_current_wal_insert_lsn()", "pg_current_wal_lsn()",
            "pg_walfile_name(pg_lsn)",
        ]

    @LoopActor
    static func read(
        _ connection: PostgresConnection, _ purpose: Diagnostics.Purpose
    ) async throws -> ServerProbe {
        let needed = purpose == .participant ? neededByParticipants : neededByAll
        let row = try await connection.query(
            """
            SELECT current_setting('server_version'), current_setting('server_version_num'),
                pg_is_in_recovery(), current_setting('fsync'),
                current_setting('synchronous_commit'),
                current_setting('max_prepared_transactions'),
                CASE WHEN has_table_privilege('pg_catalog.pg_prepared_xacts', 'SELECT')
                    THEN (SELECT count(*) FROM pg_catalog.pg_prepared_xacts) END,
                current_user, (SELECT rolsuper FROM pg_catalog.pg_roles
                    WHERE rolname = current_user),
                round(extract(epoch FROM clock_timestamp()))::bigint,
                array_to_string(ARRAY(SELECT f FROM unnest($1::text[]) AS f
                    WHERE NOT coalesce(has_function_privilege(
                        to_regprocedure('pg_catalog.' || f), 'EXECUTE'), false)), '; '),
                has_table_privilege('pg_catalog.pg_stat_activity', 'SELECT'),
                has_database_privilege(current_database(), 'CREATE'),
                to_regnamespace('tandem') IS NOT NULL
                    AND has_schema_privilege(to_regnamespace('tandem'), 'USAGE'),
                current_setting('server_encoding')
            """, [ArrayLiteral.write(needed)], timeout: Diagnostics.patience)
        func text(_ column: Int) -> String { row.text(row: 0, column: column) ?? "" }
        var missing = text(10).isEmpty ? [] : ["EXECUTE on \(text(10))"]
        switch purpose {
        case .participant:
            if text(6).isEmpty { missing.append("SELECT on pg_prepared_xacts") }
            if text(11) != "t" { missing.append("SELECT on pg_stat_activity") }
        case .state:
            if text(12) != "t", text(13) != "t" {
                missing.append("CREATE on the database, for the schema tandem")
            }
        }
        // Asked for apart: without the right to it, the whole question would fail.
        let system =
            text(10).contains("pg_control_system")
            ? nil
            : try await connection.query(
                "SELECT system_identifier FROM pg_control_system()", timeout: Diagnostics.patience
            ).text(row: 0, column: 0)
        return ServerProbe(
            version: text(0), versionNumber: Int(text(1)) ?? 0, isStandby: text(2) == "t",
            isFsyncOn: text(3) == "on", synchronousCommit: text(4),
            encodingName: text(14), slotLimit: Int(text(5)) ?? 0,
            slotsUsed: Int(text(6)) ?? 0, user: text(7), isSuperuser: text(8) == "t",
            skewSeconds: (Int(text(9)) ?? WallClock.seconds) - WallClock.seconds, system: system,
            missingRights: missing)
    }

    /// Whether a trial can succeed.
    var canPrepare: Bool { !isStandby && slotsUsed < slotLimit }

    func summary(_ purpose: Diagnostics.Purpose) -> String {
        let slots = purpose == .participant ? ", \(slotsUsed) of \(slotLimit) slots in use" : ""
        return "PostgreSQL \(version), as \(user), system \(system ?? "unknown")\(slots)"
    }

    func checks(_ purpose: Diagnostics.Purpose, allowsFsyncOff: Bool) -> [Diagnosis.Check] {
        [
            versionNumber >= 150_000
                ? .init("version", .ok, "It is PostgreSQL \(version).")
                : .init("version", .failing, "PostgreSQL 15 or later is needed; it is \(version)."),
            isStandby
                ? .init("primary", .failing, "It is a standby; give the primary's address.")
                : .init("primary", .ok, "It is the primary."),
            durability(allowsFsyncOff), commit, clock, rights,
        ] + (purpose == .participant ? [slots, role] : [encoding])
    }

    private func durability(_ allowsFsyncOff: Bool) -> Diagnosis.Check {
        if isFsyncOn { return .init("fsync", .ok, "fsync is on.") }
        return allowsFsyncOff
            ? .init("fsync", .warning, "fsync is off, which the configuration allows.")
            : .init(
                "fsync", .failing,
                "fsync is off: nothing it says would survive a crash. Turn it on.")
    }

    private var commit: Diagnosis.Check {
        ["on", "remote_apply"].contains(synchronousCommit)
            ? .init("synchronousCommit", .ok, "synchronous_commit is \(synchronousCommit).")
            : .init(
                "synchronousCommit", .warning,
                "synchronous_commit is \(synchronousCommit) for this role and database; tandem "
                    + "sets it to on in its own sessions, other writers are not so lucky.")
    }

    /// A participant's own texts are its own matter: what it cannot hold it refuses in the statement.
    private var encoding: Diagnosis.Check {
        StateDatabase.holdsEveryText(encodingName)
            ? .init("encoding", .ok, "Its encoding is \(encodingName).")
            : .init(
                "encoding", .failing,
                "Its encoding is \(encodingName), which cannot hold every text that callers send. "
                    + "Make the database anew with ENCODING 'UTF8'.")
    }

    private var clock: Diagnosis.Check {
        abs(skewSeconds) <= 5
            ? .init("clock", .ok, "Its clock agrees with this one.")
            : .init(
                "clock", .failing,
                "Its clock is \(skewSeconds) s from this one: deadlines and times would mislead. "
                    + "Synchronize both.")
    }

    private var rights: Diagnosis.Check {
        missingRights.isEmpty
            ? .init("rights", .ok, "\(user) may do what is needed.")
            : .init(
                "rights", .failing,
                "\(user) lacks \(missingRights.joined(separator: ", ")): GRANT it.")
    }

    private var slots: Diagnosis.Check {
        if slotLimit == 0 {
            return .init(
                "preparedTransactions", .failing,
                "max_prepared_transactions is 0; set it to 100, say, and restart the server.")
        }
        if slotsUsed >= slotLimit {
            return .init(
                "preparedTransactions", .failing,
                "All \(slotLimit) slots for prepared transactions are in use; see "
                    + "pg_prepared_xacts for whose they are.")
        }
        return .init(
            "preparedTransactions", slotsUsed * 5 >= slotLimit * 4 ? .warning : .ok,
            "\(slotsUsed) of \(slotLimit) slots for prepared transactions are in use.")
    }

    private var role: Diagnosis.Check {
        isSuperuser
            ? .init(
                "role", .warning,
                "\(user) is a superuser, and so is every caller's SQL; use a role of its own.")
            : .init("role", .ok, "\(user) is no superuser.")
    }
}
