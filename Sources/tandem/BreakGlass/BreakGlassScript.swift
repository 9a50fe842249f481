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
        let blocks =
            part(
                "1. Decided to commit. Run these first: others may have seen the commit.",
                plan.commits) + part("2. Decided to abort.", plan.aborts)
            + part(
                "3. Undecided, and so aborted: --last-state says that no decision can be missing here.",
                plan.presumedAborts)
        var lines = preface
        if !blocks.isEmpty {
            lines += [""] + GuardedBlock.opening + blocks + [""] + GuardedBlock.closing
        }
        if !plan.open.isEmpty {
            lines += [
                "",
                comment("==== Not to be finished without asking. Nothing below runs by itself."),
            ]
            lines += plan.open.flatMap(OpenTransactionText(snapshot: snapshot).lines)
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
            "- Each block is for one database, and is skipped anywhere else: run tandem break-glass ... "
                + "--only PARTICIPANT | psql CONNINFO, one participant after the other. If you paste a "
                + "block, paste it whole, from \\set tandem_may_run off to \\endif.",
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
        let name = key.participant + (key.version.map { ", version \($0)" } ?? "")
        let check = ServerCheck(system: place?.systemIdentifier, database: place?.database)
        lines += GuardedBlock.lines(check, name: name, body(of: statements))
        return lines
    }

    private func body(of statements: [BreakGlassPlan.Statement]) -> [String] {
        var lines = [comment("Expected below: each of these that is still prepared.")]
        let gids = statements.map { SQLLiteral.text($0.gid) }.joined(separator: ",\n    ")
        lines.append(
            "SELECT gid, transaction, owner, database, prepared FROM pg_prepared_xacts WHERE gid IN (\n    "
                + gids + ")\nORDER BY prepared;")
        for statement in statements { lines += self.lines(of: statement) }
        return lines + proof(of: statements)
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
    let snapshot: StateSnapshot

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
                    + "Ask server \(evidence.systemIdentifier), on timeline \(evidence.timeline) and no "
                    + "other; the question checks where it is asked, and that no session of tandem is left:",
                question(
                    check(
                        of: branch, row,
                        at: ServerTimeline(
                            systemIdentifier: evidence.systemIdentifier,
                            timeline: evidence.timeline)),
                    "pg_xact_status('\(evidence.transactionID)'::xid8)", or: "too old to say"),
                "committed: commit the others. aborted: roll the others back. in progress: a session "
                    + "still holds it; end that and ask again. Anything else: nothing proves it; look for "
                    + "its data.",
            ] + choices(row)
        case .asksJournal(let branch, let server):
            let id = row.id
            return [
                "The journal of \(participant(branch, row)) decides. Ask server "
                    + "\(server.systemIdentifier), on timeline \(server.timeline) and no other; the "
                    + "question checks where it is asked, and that no session of tandem is left:",
                question(
                    check(of: branch, row, at: server),
                    "(SELECT decision::text FROM tandem_participant.decisions WHERE installation = "
                        + "\(SQLLiteral.text(snapshot.installation)) AND number = \(id.number) AND "
                        + "salt = \(Int64(bitPattern: id.salt)))", or: "no row"),
                "commit: commit the others. abort: roll the others back. no row, and still no row when you "
                    + "ask once more: roll the others back, but only if what was read here is the last "
                    + "state; a decision is removed from the journal once the transaction is finished. "
                    + "Anything else: it is not answered.",
            ] + choices(row)
        }
    }

    private func check(
        of branch: Int, _ row: StateSnapshot.Row, at server: ServerTimeline
    ) -> ServerCheck {
        let place = row.branches.first { $0.number == branch }.flatMap { snapshot.place($0.place) }
        return ServerCheck(
            system: server.systemIdentifier, database: place?.database, timeline: server.timeline)
    }

    /// A query on one line, to be copied, whose answer is either the value or why there is none.
    private func question(_ check: ServerCheck, _ value: String, or absent: String) -> String {
        let value = "coalesce(\(value), \(SQLLiteral.text(absent)))"
        return "  SELECT " + check.expression(else: value) + ";"
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
