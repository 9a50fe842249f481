import EventLoop
import PostgresClient

/// What a server answers about itself, and the checks of that.
struct ServerProbe {
    private let version: String
    private let versionNumber: Int
    private let isStandby: Bool
    private let isFsyncOn: Bool
    private let synchronousCommit: String
    private let slotLimit: Int
    /// Nil without the right to count them.
    private let slotsInUse: Int?
    private let user: String
    /// How far the server's clock is ahead of this machine's.
    private let skewSeconds: Int
    /// The functions that the role may not call.
    private let missingFunctions: String
    private let seesActivity: Bool
    private let mayCreateSchema: Bool
    private let mayUseSchema: Bool
    private let encodingName: String
    private var system: String?

    /// The functions that tandem calls there.
    private static let functionsForAll = ["pg_control_system()", "pg_is_in_recovery()"]
    private static let functionsForParticipants =
        functionsForAll + [
            "pg_terminate_backend(integer, bigint)", "pg_xact_status(xid8)",
            "pg_current_xact_id()", "pg_current_wal_insert_lsn()", "pg_current_wal_lsn()",
            "pg_walfile_name(pg_lsn)",
        ]

    private static let query = Query<ServerProbe>(
        """
        SELECT current_setting('server_version'), current_setting('server_version_num'),
            pg_is_in_recovery(), current_setting('fsync'),
            current_setting('synchronous_commit'),
            current_setting('max_prepared_transactions'),
            CASE WHEN has_table_privilege('pg_catalog.pg_prepared_xacts', 'SELECT')
                THEN (SELECT count(*) FROM pg_catalog.pg_prepared_xacts) END,
            current_user,
            round(extract(epoch FROM clock_timestamp()))::bigint,
            array_to_string(ARRAY(SELECT f FROM unnest($1::text[]) AS f
                WHERE NOT coalesce(has_function_privilege(
                    to_regprocedure('pg_catalog.' || f), 'EXECUTE'), false)), '; '),
            has_table_privilege('pg_catalog.pg_stat_activity', 'SELECT'),
            has_database_privilege(current_database(), 'CREATE'),
            to_regnamespace('tandem') IS NOT NULL
                AND has_schema_privilege(to_regnamespace('tandem'), 'USAGE'),
            current_setting('server_encoding')
        """
    ) { row in
        ServerProbe(
            version: row.text() ?? "", versionNumber: row.value() ?? 0, isStandby: row.isTrue(),
            isFsyncOn: row.text() == "on", synchronousCommit: row.text() ?? "",
            slotLimit: row.value() ?? 0, slotsInUse: row.value(), user: row.text() ?? "",
            skewSeconds: (row.value() as Int?).map { $0 - WallClock.seconds } ?? 0,
            missingFunctions: row.text() ?? "", seesActivity: row.isTrue(),
            mayCreateSchema: row.isTrue(), mayUseSchema: row.isTrue(),
            encodingName: row.text() ?? "")
    }

    private static let system = Query<String>(
        "SELECT system_identifier FROM pg_control_system()"
    ) { $0.text() }

    /// Asks the server, whose role may lack rights that tandem needs.
    @LoopActor
    static func read(
        _ connection: PostgresConnection, as purpose: Diagnostics.Purpose
    ) async throws -> ServerProbe {
        let functions = purpose == .participant ? functionsForParticipants : functionsForAll
        guard
            var probe = try await connection.row(
                query, [ArrayLiteral.write(functions)], timeout: Diagnostics.patience)
        else { throw SessionRefusal.unreadable }
        // A query of its own: without the right to the function the whole query would fail.
        if !probe.missingFunctions.contains("pg_control_system") {
            probe.system = try await connection.row(system, timeout: Diagnostics.patience)
        }
        return probe
    }

    private func missingRights(_ purpose: Diagnostics.Purpose) -> [String] {
        var missing = missingFunctions.isEmpty ? [] : ["EXECUTE on \(missingFunctions)"]
        switch purpose {
        case .participant:
            if slotsInUse == nil { missing.append("SELECT on pg_prepared_xacts") }
            if !seesActivity { missing.append("SELECT on pg_stat_activity") }
        case .state:
            if !mayCreateSchema, !mayUseSchema {
                missing.append("CREATE on the database, for the schema tandem")
            }
        }
        return missing
    }

    private var slotsUsed: Int { slotsInUse ?? 0 }

    /// Whether a trial can succeed.
    var canPrepare: Bool { !isStandby && slotsUsed < slotLimit }

    func summary(_ purpose: Diagnostics.Purpose) -> String {
        let slots =
            purpose == .participant ? ", \(slotsUsed) of \(slotLimit) slots in use" : ""
        return
            "PostgreSQL \(version), as \(user), system \(system ?? "unknown")\(slots)"
    }

    func checks(_ purpose: Diagnostics.Purpose, allowsFsyncOff: Bool) -> [Diagnosis.Check] {
        [
            versionNumber >= 150_000
                ? .ok("version", "It is PostgreSQL \(version).")
                : .failing("version", "PostgreSQL 15 or later is needed; it is \(version)."),
            isStandby
                ? .failing("primary", "It is a standby; give the primary's address.")
                : .ok("primary", "It is the primary."),
            durability(allowsFsyncOff), commit, clock, rights(purpose),
        ] + (purpose == .participant ? [slots] : [encoding])
    }

    private func durability(_ allowsFsyncOff: Bool) -> Diagnosis.Check {
        if isFsyncOn { return .ok("fsync", "fsync is on.") }
        return allowsFsyncOff
            ? .warning("fsync", "fsync is off, which the configuration allows.")
            : .failing(
                "fsync",
                "fsync is off: what it reports as committed may be lost in a crash. Turn it on.")
    }

    private var commit: Diagnosis.Check {
        ["on", "remote_apply"].contains(synchronousCommit)
            ? .ok("synchronousCommit", "synchronous_commit is \(synchronousCommit).")
            : .warning(
                "synchronousCommit",
                "synchronous_commit is \(synchronousCommit) for this role and database. tandem "
                    + "sets it to on in its own sessions; other programs keep this value.")
    }

    /// Only the state database's encoding matters: a participant refuses a text that it cannot hold in the
    /// statement.
    private var encoding: Diagnosis.Check {
        StateDatabase.holdsEveryText(encodingName)
            ? .ok("encoding", "Its encoding is \(encodingName).")
            : .failing(
                "encoding",
                "Its encoding is \(encodingName), which cannot hold every text that callers send. "
                    + "Make the database anew with ENCODING 'UTF8'.")
    }

    private var clock: Diagnosis.Check {
        abs(skewSeconds) <= 5
            ? .ok("clock", "Its clock agrees with this one.")
            : .failing(
                "clock",
                "Its clock is \(skewSeconds) s from this one: deadlines and times would mislead. "
                    + "Synchronize both.")
    }

    private func rights(_ purpose: Diagnostics.Purpose) -> Diagnosis.Check {
        let missing = missingRights(purpose)
        return missing.isEmpty
            ? .ok("rights", "\(user) may do what is needed.")
            : .failing("rights", "\(user) lacks \(missing.joined(separator: ", ")): GRANT it.")
    }

    private var slots: Diagnosis.Check {
        if slotLimit == 0 {
            return .failing(
                "preparedTransactions",
                "max_prepared_transactions is 0; set it to 100, say, and restart the server.")
        }
        if slotsUsed >= slotLimit {
            return .failing(
                "preparedTransactions",
                "All \(slotLimit) slots for prepared transactions are in use; see "
                    + "pg_prepared_xacts for whose they are.")
        }
        let detail = "\(slotsUsed) of \(slotLimit) slots for prepared transactions are in use."
        return slotsUsed * 5 >= slotLimit * 4
            ? .warning("preparedTransactions", detail) : .ok("preparedTransactions", detail)
    }
}
