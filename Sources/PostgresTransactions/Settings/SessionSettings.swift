import PostgresClient

/// The settings that a session of ours makes, whatever its role or its database has as a default.
///
/// `docs/SETTINGS.md` says of every setting of PostgreSQL whether it is made here, is checked, or does not
/// matter; a test compares that page with this file.
struct SessionSettings: Sendable {
    /// One setting.
    struct Setting: Sendable, Hashable {
        let name: String
        /// As `pg_settings` shows it.
        let value: String
        /// A stronger value, which stays if the role or the database has it.
        var stronger: String?
        /// Whether only PostgreSQL 17 and later have it: then it can be set only once the server's version
        /// is known.
        var isNew = false

        init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    let settings: [Setting]

    /// In all sessions.
    private static let everywhere = [
        // Only a WARNING shows that the wait for a standby was cancelled (I2).
        Setting("client_min_messages", "warning"),
        // A commit waits for the disk, and for the standbys that have to confirm it (I2).
        Setting("synchronous_commit", "on"),
        // The usual BEGIN names no characteristics, so it gets these.
        Setting("default_transaction_isolation", "read committed"),
        Setting("default_transaction_read_only", "off"),
        Setting("default_transaction_deferrable", "off"),
        // A pool keeps idle sessions, a branch that is not prepared is held until the decision, and
        // deadlines are ours: see `timeouts` for the others.
        Setting("idle_session_timeout", "0"),
        Setting("idle_in_transaction_session_timeout", "0"),
        // Otherwise an error would end the session, and the outcome would be unknown.
        Setting("exit_on_error", "off"),
        // NULL in an array that we send is a null; with off it would be the text "NULL".
        Setting("array_nulls", "on"),
        // Our literals, and the gate's reading of callers' SQL: a backslash is a character.
        Setting("standard_conforming_strings", "on"),
        // Values come back whole: less than 1 would round a float8, and bytea would have two forms.
        Setting("extra_float_digits", "1"),
        Setting("bytea_output", "hex"),
    ]

    /// Where nothing but our own SQL runs.
    private static let ownSQL = [
        // Functions, operators and views are PostgreSQL's own; tables are named with their schema.
        Setting("search_path", "pg_catalog"),
        // A policy that would hide rows is an error: otherwise a hidden row would count as missing.
        Setting("row_security", "off"),
        // The same for an index that returns a random part of its rows.
        Setting("gin_fuzzy_search_limit", "0"),
        Setting("DateStyle", "ISO, MDY"),
        Setting("IntervalStyle", "postgres"),
        Setting("TimeZone", "UTC"),
        // Compiling takes a hundred times as long as any of our queries.
        Setting("jit", "off"),
    ]

    private static func timeouts(statement: Int64, lock: Int64) -> [Setting] {
        var transaction = Setting("transaction_timeout", "0")
        transaction.isNew = true
        return [
            Setting("statement_timeout", "\(statement)"), Setting("lock_timeout", "\(lock)"),
            transaction,
        ]
    }

    /// In sessions to participants: only the role that prepared a transaction may end it.
    private static let participant = [Setting("role", "none")]

    /// Sessions of the state database.
    ///
    /// A plan made while a table was empty must not stay a sequential scan. A scan that has no alternative
    /// (of a table with one row, say) then has a huge estimated cost, for which PostgreSQL would compile
    /// the plan each time if `jit` were on: 30 to 800 ms for a query of 30 µs.
    ///
    /// - Parameter lockTimeout: none where a migration may wait for another replica's. Elsewhere there is
    ///   one, or a server process would wait on after its client has given up.
    static func state(lockTimeout: Duration = .zero) -> SessionSettings {
        var durable = Setting("synchronous_commit", "on")
        durable.stronger = "remote_apply"
        return SessionSettings(
            settings: timeouts(statement: 0, lock: lockTimeout.wholeMilliseconds)
                + everywhere.map { $0.name == durable.name ? durable : $0 } + ownSQL + [
                    Setting("enable_seqscan", "off"), Setting("enable_hashjoin", "off"),
                    Setting("enable_mergejoin", "off"),
                    Setting("plan_cache_mode", "force_generic_plan"),
                    // Migrations make tables; another method may know no UPDATE and no ON CONFLICT.
                    Setting("default_table_access_method", "heap"),
                ])
    }

    /// Sessions in which callers' SQL runs; see also `SessionAdmission.adjustments`.
    ///
    /// The settings that the meaning of that SQL depends on stay the role's own (`search_path`, `TimeZone`,
    /// the order of day and month).
    static func work(statementTimeout: Duration, lockTimeout: Duration) -> SessionSettings {
        SessionSettings(
            settings: timeouts(
                statement: statementTimeout.wholeMilliseconds, lock: lockTimeout.wholeMilliseconds)
                + everywhere + participant)
    }

    /// Sessions that end prepared transactions: no timeout of ours cuts a COMMIT PREPARED short.
    static let finish = SessionSettings(
        settings: timeouts(statement: 0, lock: 0) + everywhere + participant + ownSQL)

    /// Sessions that read whether branches have committed, or what blocks them, for a caller who waits.
    static let statusReading = SessionSettings(
        settings: timeouts(statement: 5000, lock: 0) + everywhere + participant + ownSQL + [
            // The query for waits takes ten times as long to plan as to run.
            Setting("plan_cache_mode", "force_generic_plan")
        ])

    /// Sessions of `tandem check`, which reports the `synchronous_commit` that it finds.
    static let examination = SessionSettings(
        settings: timeouts(statement: 0, lock: 0)
            + everywhere.filter { $0.name != "synchronous_commit" } + ownSQL)
}

extension SessionSettings {
    /// The value for `options` of a connection string.
    ///
    /// The startup packet overrides the defaults of role and database, costs no round trip, and has the
    /// values that RESET ALL returns to.
    var startup: String {
        known.map { "-c \($0.name)=\($0.value.replacing(" ", with: "\\ "))" }
            .joined(separator: " ")
    }

    /// The same as commands, for sessions that are never reset.
    ///
    /// They work through poolers, many of which refuse `options`. The first commands lift the timeouts that
    /// could cut the others short.
    var commands: [Command] {
        settings.map { setting in
            let name = "'\(setting.name)'"
            if setting.isNew {
                return Command(
                    "SELECT pg_catalog.set_config(name, '\(setting.value)', false) "
                        + "FROM pg_catalog.pg_settings "
                        + "WHERE name OPERATOR(pg_catalog.=) \(name)", cached: false)
            }
            guard let stronger = setting.stronger else {
                return Command(
                    "SET \(setting.name) = \(setting.value.quotedLiteral)", cached: false)
            }
            return Command(
                """
                SELECT pg_catalog.set_config(\(name), CASE
                    WHEN pg_catalog.current_setting(\(name)) OPERATOR(pg_catalog.=) '\(stronger)'
                    THEN '\(stronger)' ELSE '\(setting.value)' END, false)
                """, cached: false)
        }
    }

    /// Those that every server has.
    var known: [Setting] { settings.filter { !$0.isNew } }
}
