import EventLoop
import PostgresClient

/// What a server answers about itself, and the checks of that.
struct ServerProbe {
    private let answer: Answer
    private let system: String?
    private let missingRights: [String]
    private let skewSeconds: Int

    /// What the server answers in one row.
    private struct Answer: Sendable {
        let version: String
        let versionNumber: Int
        let isStandby: Bool
        let isFsyncOn: Bool
        let synchronousCommit: String
        let slotLimit: Int
        /// Nil without the right to count them.
        let slotsUsed: Int?
        let user: String
        let isSuperuser: Bool
        let seconds: Int?
        /// The functions that the role may not call.
        let missingFunctions: String
        let seesActivity: Bool
        let mayCreateSchema: Bool
        let mayUseSchema: Bool
        let encoding: String
    }

    /// The functions that tandem calls there.
    private static let functionsForAll = ["pg_control_system()", "pg_is_in_recovery()"]
    private static let functionsForParticipants =
        functionsForAll + [
            "pg_terminate_backend(integer, bigint)", "pg_xact_status(xid8)",
            "pg_current_xact_id()", "pg_current_wal_insert_lsn()", "pg_current_wal_lsn()",
            "pg_walfile_name(pg_lsn)",
        ]

    private static let query = Query<Answer>(
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
        """
    ) { row in
        Answer(
            version: row.text() ?? "", versionNumber: row.value() ?? 0, isStandby: row.isTrue(),
            isFsyncOn: row.text() == "on", synchronousCommit: row.text() ?? "",
            slotLimit: row.value() ?? 0, slotsUsed: row.value(), user: row.text() ?? "",
            isSuperuser: row.isTrue(), seconds: row.value(), missingFunctions: row.text() ?? "",
            seesActivity: row.isTrue(), mayCreateSchema: row.isTrue(),
            mayUseSchema: row.isTrue(), encoding: row.text() ?? "")
    }

    private static let system = Query<String>(
        "SELECT system_identifier FROM pg_control_system()"
    ) { $0.text() }

    /// Asks the server, whose role may lack rights that tandem needs.
    @LoopActor
    init(of connection: PostgresConnection, as purpose: Diagnostics.Purpose) async throws {
        let functions =
            purpose == .participant ? Self.functionsForParticipants : Self.functionsForAll
        guard
            let answer = try await connection.row(
                Self.query, [ArrayLiteral.write(functions)], timeout: Diagnostics.patience)
        else { throw SessionRefusal.unreadable }
        var missing =
            answer.missingFunctions.isEmpty ? [] : ["EXECUTE on \(answer.missingFunctions)"]
        switch purpose {
        case .participant:
            if answer.slotsUsed == nil { missing.append("SELECT on pg_prepared_xacts") }
            if !answer.seesActivity { missing.append("SELECT on pg_stat_activity") }
        case .state:
            if !answer.mayCreateSchema, !answer.mayUseSchema {
                missing.append("CREATE on the database, for the schema tandem")
            }
        }
        // A query of its own: without the right to the function the whole query would fail.
        system =
            answer.missingFunctions.contains("pg_control_system")
            ? nil : try await connection.row(Self.system, timeout: Diagnostics.patience)
        self.answer = answer
        missingRights = missing
        let now = WallClock.seconds
        skewSeconds = (answer.seconds ?? now) - now
    }

    private var slotsUsed: Int { answer.slotsUsed ?? 0 }

    /// Whether a trial can succeed.
    var canPrepare: Bool { !answer.isStandby && slotsUsed < answer.slotLimit }

    func summary(_ purpose: Diagnostics.Purpose) -> String {
        let slots =
            purpose == .participant ? ", \(slotsUsed) of \(answer.slotLimit) slots in use" : ""
        return
            "PostgreSQL \(answer.version), as \(answer.user), system \(system ?? "unknown")\(slots)"
    }

    func checks(_ purpose: Diagnostics.Purpose, allowsFsyncOff: Bool) -> [Diagnosis.Check] {
        [
            answer.versionNumber >= 150_000
                ? .init("version", .ok, "It is PostgreSQL \(answer.version).")
                : .init(
                    "version", .failing,
                    "PostgreSQL 15 or later is needed; it is \(answer.version)."),
            answer.isStandby
                ? .init("primary", .failing, "It is a standby; give the primary's address.")
                : .init("primary", .ok, "It is the primary."),
            durability(allowsFsyncOff), commit, clock, rights,
        ] + (purpose == .participant ? [slots, role] : [encoding])
    }

    private func durability(_ allowsFsyncOff: Bool) -> Diagnosis.Check {
        if answer.isFsyncOn { return .init("fsync", .ok, "fsync is on.") }
        return allowsFsyncOff
            ? .init("fsync", .warning, "fsync is off, which the configuration allows.")
            : .init(
                "fsync", .failing,
                "fsync is off: what it reports as committed may be lost in a crash. Turn it on.")
    }

    private var commit: Diagnosis.Check {
        ["on", "remote_apply"].contains(answer.synchronousCommit)
            ? .init("synchronousCommit", .ok, "synchronous_commit is \(answer.synchronousCommit).")
            : .init(
                "synchronousCommit", .warning,
                "synchronous_commit is \(answer.synchronousCommit) for this role and database. tandem "
                    + "sets it to on in its own sessions; other programs keep this value.")
    }

    /// Only the state database's encoding matters: a participant refuses a text that it cannot hold in the
    /// statement.
    private var encoding: Diagnosis.Check {
        StateDatabase.holdsEveryText(answer.encoding)
            ? .init("encoding", .ok, "Its encoding is \(answer.encoding).")
            : .init(
                "encoding", .failing,
                "Its encoding is \(answer.encoding), which cannot hold every text that callers send. "
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
            ? .init("rights", .ok, "\(answer.user) may do what is needed.")
            : .init(
                "rights", .failing,
                "\(answer.user) lacks \(missingRights.joined(separator: ", ")): GRANT it.")
    }

    private var slots: Diagnosis.Check {
        if answer.slotLimit == 0 {
            return .init(
                "preparedTransactions", .failing,
                "max_prepared_transactions is 0; set it to 100, say, and restart the server.")
        }
        if slotsUsed >= answer.slotLimit {
            return .init(
                "preparedTransactions", .failing,
                "All \(answer.slotLimit) slots for prepared transactions are in use; see "
                    + "pg_prepared_xacts for whose they are.")
        }
        return .init(
            "preparedTransactions", slotsUsed * 5 >= answer.slotLimit * 4 ? .warning : .ok,
            "\(slotsUsed) of \(answer.slotLimit) slots for prepared transactions are in use.")
    }

    private var role: Diagnosis.Check {
        answer.isSuperuser
            ? .init(
                "role", .warning,
                "\(answer.user) is a superuser, and so is every caller's SQL; use a role of its own."
            )
            : .init("role", .ok, "\(answer.user) is no superuser.")
    }
}
