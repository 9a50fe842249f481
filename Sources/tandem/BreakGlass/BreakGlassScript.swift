import CommitProtocol
import TransactionEngine

/// The plan as SQL for psql, with all else in comments.
struct BreakGlassScript {
    private let snapshot: StateSnapshot
    private let plan: BreakGlassPlan
    /// The participant whose statements alone are printed; nil for all.
    private let only: String?

    init(_ snapshot: StateSnapshot, _ plan: BreakGlassPlan, only: String?) {
        self.snapshot = snapshot
        self.plan = plan
        self.only = only
    }

    var text: String {
        var lines = preface
        lines += part(
            "1. Decided to commit. Run these first: others may have seen the commit.", plan.commits)
        lines += part("2. Decided to abort.", plan.aborts)
        lines += part(
            "3. Undecided, and so aborted: --last-state says that no decision can be missing here.",
            plan.presumedAborts)
        if !plan.open.isEmpty {
            lines += [
                "",
                comment("==== Not to be finished without asking. Nothing below runs by itself."),
            ]
            lines += plan.open.flatMap(
                OpenTransactionText(installation: snapshot.installation).lines)
        }
        if !plan.notes.isEmpty {
            lines += ["", comment("==== Branches without a statement")]
            lines += plan.notes.map { comment("\($0.transaction): \($0.text)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var preface: [String] {
        var lines = [
            "tandem break-glass: how to finish prepared transactions by hand, with psql.",
            "Installation \(snapshot.installation). Read from \(snapshot.source).",
            "The newest heartbeat of a replica in it: \(snapshot.newestHeartbeat ?? "none").",
            "Transactions that were accepted or decided after that moment are not in it.",
        ]
        if let doubt = snapshot.doubt { lines.append("CAUTION: \(doubt).") }
        let replicas = snapshot.openReplicas
        lines += [
            "",
            "Before anything:",
            "- If a newer copy of the state database can be had, do not go on: a replica that is started "
                + "with it does all of this by itself.",
            "- Stop every replica, and every program that uses tandem's library with this state database, "
                + "and let none start again with it before you are done."
                + (replicas.isEmpty ? "" : " Not ended here: \(replicas.joined(separator: ", "))."),
            "- Each block is for one database, and checks first that it runs there: run tandem break-glass "
                + "... --only PARTICIPANT | psql CONNINFO, one participant after the other.",
            "",
            "Unfinished transactions: \(snapshot.transactions.count). Statements: "
                + "\(plan.commits.count) COMMIT PREPARED, \(plan.aborts.count) ROLLBACK PREPARED for "
                + "decided aborts, \(plan.presumedAborts.count) for undecided ones. To ask about: "
                + "\(plan.open.count) transactions.",
        ]
        if snapshot.finishedForOperator > 0 {
            lines.append(
                "\(snapshot.finishedForOperator) finished transactions wait for an operator's "
                    + "resolution; no statement helps them.")
        }
        if let only { lines.append("Printed are the statements for \(only) alone.") }
        return lines.map(comment)
    }

    private func part(_ title: String, _ statements: [BreakGlassPlan.Statement]) -> [String] {
        let places = Set(statements.map(\.place)).sorted().filter {
            only == nil || $0.participant == only
        }
        guard !places.isEmpty else { return [] }
        return ["", comment("==== \(title)")]
            + places.flatMap { place in block(at: place, statements.filter { $0.place == place }) }
    }

    private func block(
        at key: StateSnapshot.PlaceKey, _ statements: [BreakGlassPlan.Statement]
    ) -> [String] {
        let place = snapshot.place(key)
        let roles = Set(statements.compactMap(\.evidence?.owner)).sorted()
        var lines = [
            "",
            comment(
                "\(key.participant)"
                    + (place.map { ": database \($0.database), server \($0.systemIdentifier)" }
                        ?? ": its server is not recorded; find out which it is before you go on")),
        ]
        if !roles.isEmpty {
            lines.append(
                comment("Connect as \(roles.joined(separator: " or ")), or as a superuser."))
        }
        lines += guards(place) + ["\\set ON_ERROR_STOP off"]
        lines.append(comment("Expected below: each of these that is still prepared."))
        let gids = statements.map { SQLLiteral.text($0.gid) }.joined(separator: ",\n    ")
        lines.append(
            "SELECT gid, transaction, owner, database, prepared FROM pg_prepared_xacts WHERE gid IN (\n    "
                + gids + ")\nORDER BY prepared;")
        for statement in statements { lines += self.lines(of: statement) }
        return lines + proof(of: statements)
    }

    /// Stops psql where the statements do not belong, and while tandem may still act.
    private func guards(_ place: StateSnapshot.Place?) -> [String] {
        var conditions: [(condition: String, message: String)] = []
        if let place {
            conditions.append(
                (
                    "(SELECT system_identifier::text FROM pg_control_system()) <> "
                        + SQLLiteral.text(place.systemIdentifier)
                        + " OR current_database() <> \(SQLLiteral.text(place.database))",
                    "this is another server or database than these statements are for"
                ))
        }
        conditions += [
            ("pg_is_in_recovery()", "this server is a standby; connect to the primary of today"),
            (
                "EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'tandem-%' "
                    + "AND pid <> pg_backend_pid())",
                "sessions of tandem are left here; stop the replicas and the programs that use it"
            ),
        ]
        let body = conditions.map { condition, message in
            "    IF \(condition) THEN\n        RAISE EXCEPTION USING MESSAGE = "
                + "\(SQLLiteral.text(message));\n    END IF;"
        }
        return ["\\set ON_ERROR_STOP on"]
            + ["DO " + SQLLiteral.dollarQuoted("BEGIN\n\(body.joined(separator: "\n"))\nEND") + ";"]
    }

    private func lines(of statement: BreakGlassPlan.Statement) -> [String] {
        let literal = SQLLiteral.text(statement.gid)
        let verb = statement.verb.rawValue
        guard statement.isUnsure else { return ["\(verb) \(literal);"] }
        let reason =
            statement.isResolved
            ? "an operator has resolved it as decided, and it may have been finished."
            : "nothing is recorded about its PREPARE."
        return [
            comment("Runs only if it is prepared: \(reason)"),
            "SELECT format('\(verb) %L', gid) FROM pg_prepared_xacts WHERE gid = \(literal) "
                + "AND database = current_database() \\gexec",
        ]
    }

    /// The status of each transaction id afterwards, which proves what became of the branch.
    private func proof(of statements: [BreakGlassPlan.Statement]) -> [String] {
        let known = statements.compactMap { statement in
            statement.evidence.map { (statement, $0) }
        }
        var lines: [String] = []
        if !known.isEmpty {
            let values = known.map { statement, evidence in
                let expected = statement.verb == .commit ? "committed" : "aborted"
                return "(\(SQLLiteral.text(statement.gid)), '\(expected)', "
                    + "'\(evidence.transactionID)'::xid8)"
            }
            let timelines = Set(known.map(\.1.timeline)).sorted().map { "\($0)" }
            lines += [
                comment(
                    "Whatever was \"does not exist\" above: found must be what is expected. On another "
                        + "timeline than \(timelines.joined(separator: ", ")) it proves nothing."),
                "SELECT gid, expected, pg_xact_status(xid) AS found FROM (VALUES\n    "
                    + values.joined(separator: ",\n    ") + ") AS branch (gid, expected, xid);",
            ]
        }
        return lines + [
            comment(
                "What this installation still has prepared; leave alone what is not named above."),
            "SELECT gid, owner, database, prepared FROM pg_prepared_xacts WHERE gid LIKE "
                + SQLLiteral.text("tandem:\(snapshot.installation):%") + " ORDER BY prepared;",
        ]
    }

    private func comment(_ text: String) -> String { SQLLiteral.comment(text) }
}

/// What to ask about a transaction that no statement may finish by itself.
private struct OpenTransactionText {
    let installation: String

    func lines(of open: BreakGlassPlan.Open) -> [String] {
        let row = open.row
        var lines = ["", "\(row.id), \(row.state.rawValue), accepted \(row.acceptedAt)"]
        lines += reason(open)
        return lines.map { $0.isEmpty ? "" : SQLLiteral.comment($0) }
    }

    private func reason(_ open: BreakGlassPlan.Open) -> [String] {
        let row = open.row
        switch open.reason {
        case .undecided:
            return [
                "No decision was recorded when this was read; one may have been since. If it is certain "
                    + "that this is the last state of the state database, and that nothing was lost of it, "
                    + "use --last-state, which prints the ROLLBACK PREPARED."
            ] + gids(of: row)
        case .decisionMayBeLost(let why):
            return [
                "No decision is recorded, but one may be lost: \(why).",
                "Not even --last-state prints statements for it. A branch that has committed shows the "
                    + "decision to commit; look for its data in each participant.",
            ] + gids(of: row)
        case .undecidable:
            return [
                "The server that held the decision is gone or changed, and nothing proves what it was. "
                    + "Compare the data, and choose one outcome for all branches."
            ] + gids(of: row)
        case .asksOnePhaseWithoutEvidence(let branch):
            return [
                "Branch \(branch) in \(participant(branch, row)) decides, and its transaction id is not "
                    + "recorded. Look for its data there: if it is there, commit the others."
            ] + choices(row)
        case .asksOnePhase(let branch, let evidence):
            return [
                "Branch \(branch) in \(participant(branch, row)) decides: its own COMMIT is the decision. "
                    + "When no session of tandem is left, ask server \(evidence.systemIdentifier), on "
                    + "timeline \(evidence.timeline) and no other:",
                "  SELECT pg_xact_status('\(evidence.transactionID)'::xid8);",
                "committed: commit the others. aborted: roll the others back. in progress: a session "
                    + "still holds it; end that and ask again. NULL, or another server or timeline: nothing "
                    + "proves it; look for its data.",
            ] + choices(row)
        case .asksJournal(let branch, let server):
            let id = row.id
            return [
                "The journal of \(participant(branch, row)) decides. When no session of tandem is left, "
                    + "ask server \(server.systemIdentifier), on timeline \(server.timeline) and no other:",
                "  SELECT decision FROM tandem_participant.decisions WHERE installation = "
                    + "'\(installation)' AND number = \(id.number) AND salt = "
                    + "\(Int64(bitPattern: id.salt));",
                "commit: commit the others. abort: roll the others back. No row: roll the others back, but "
                    + "only if what was read here is the last state; a decision is removed from the journal "
                    + "once the transaction is finished.",
            ] + choices(row)
        }
    }

    private func participant(_ branch: Int, _ row: StateSnapshot.Row) -> String {
        row.branches.indices.contains(branch) ? row.branches[branch].place.participant : "?"
    }

    private func gids(of row: StateSnapshot.Row) -> [String] {
        row.branches.filter { $0.mode == .twoPhase }.map { branch in
            "  branch \(branch.number) in \(branch.place.participant): \(SQLLiteral.text(branch.gid))"
        }
    }

    private func choices(_ row: StateSnapshot.Row) -> [String] {
        row.branches.filter { $0.mode == .twoPhase && $0.outcome == nil }.flatMap { branch in
            let place = "  in \(branch.place.participant), to "
            let gid = SQLLiteral.text(branch.gid)
            return [
                "\(place)commit:    COMMIT PREPARED \(gid);",
                "\(place)roll back: ROLLBACK PREPARED \(gid);",
            ]
        }
    }
}

/// Texts as parts of SQL.
enum SQLLiteral {
    /// A string constant.
    static func text(_ text: String) -> String {
        let quoted = "'" + text.replacing("'", with: "''") + "'"
        return text.contains("\\") ? "E" + quoted.replacing("\\", with: "\\\\") : quoted
    }

    /// A string in dollar quotes, whose tag the text does not contain.
    static func dollarQuoted(_ text: String) -> String {
        var tag = "$tandem$"
        while text.contains(tag) { tag = "$t" + tag.dropFirst() }
        return tag + text + tag
    }

    /// One line of comment: what the text holds of line ends and control characters becomes visible.
    static func comment(_ text: String) -> String {
        text.isEmpty ? "--" : "-- " + Terminal.printable(text)
    }
}
