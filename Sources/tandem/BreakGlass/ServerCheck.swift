import TransactionEngine

/// Whether a server is the one to run or to ask something on, as SQL that the server itself answers.
struct ServerCheck {
    private var cases: [(condition: String, message: String)] = []

    /// Checks what is known of the place, and the timeline if a proof holds for one only.
    init(system: String?, database: String?, timeline: UInt32? = nil) {
        if let system {
            cases.append(
                (
                    "(SELECT system_identifier::text FROM pg_control_system()) <> "
                        + SQLLiteral.text(system),
                    "this is another server than \(system)"
                ))
        }
        if let database {
            cases.append(
                (
                    "current_database() <> \(SQLLiteral.text(database))",
                    "this is another database than \(database)"
                ))
        }
        cases += [
            ("pg_is_in_recovery()", "this server is a standby; connect to the primary of today"),
            (
                "EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'tandem-%' "
                    + "AND pid <> pg_backend_pid())",
                "sessions of tandem are left here; stop the replicas and the programs that use it"
            ),
        ]
        if let timeline {
            // A standby would refuse the functions, so they stand in a CASE of their own.
            cases.append(
                (
                    "(CASE WHEN NOT pg_is_in_recovery() THEN ('x' || substr(pg_walfile_name("
                        + "pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END) IS DISTINCT FROM "
                        + "\(timeline)",
                    "this server is not on timeline \(timeline), so its answer proves nothing"
                ))
        }
    }

    /// `CASE WHEN ... END`: the reason why not, after the prefix, or else the value.
    func expression(prefix: String = "", else value: String, separator: String = " ") -> String {
        let reasons = cases.map { condition, message in
            "WHEN \(condition) THEN \(SQLLiteral.text(Terminal.printable(prefix + message)))"
        }
        return (["CASE"] + reasons + ["ELSE \(value) END"]).joined(separator: separator)
    }
}

/// Lines for psql that run only where the check finds no fault, and that stop nothing after them.
///
/// `ON_ERROR_STOP` would not do: it stops nothing that is pasted into an interactive psql, and it would
/// keep a script from the blocks for other versions of the participant.
enum GuardedBlock {
    /// Stands before the first block.
    static let opening = ["\\set ON_ERROR_STOP off", "\\set tandem_ran off"]

    static func lines(_ check: ServerCheck, name: String, _ body: [String]) -> [String] {
        let skipped = "Skipped, \(name): "
        return [
            "\\set tandem_may_run off",
            "\\set tandem_refusal 'Skipped: the check of the server has failed'",
            "SELECT refusal AS tandem_refusal, CASE WHEN refusal IS NULL THEN 'on' ELSE 'off' END "
                + "AS tandem_may_run FROM (SELECT",
            "    "
                + check.expression(prefix: skipped, else: "NULL", separator: "\n        ")
                + ") AS server (refusal) \\gset",
            "\\if :tandem_may_run", "\\set tandem_ran on",
        ] + body + ["\\else", "\\warn :tandem_refusal", "\\endif"]
    }

    /// Stands behind the last block: a script of which nothing has run ends with an error.
    static var closing: [String] {
        let refusal =
            "BEGIN RAISE EXCEPTION 'Expected a block for this server, and none has run.'; END"
        return [
            "\\if :tandem_ran", "\\else", "\\set ON_ERROR_STOP on",
            "DO \(SQLLiteral.dollarQuoted(refusal));", "\\set ON_ERROR_STOP off", "\\endif",
        ]
    }
}
