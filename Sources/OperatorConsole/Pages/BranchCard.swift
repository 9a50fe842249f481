import CommitProtocol
import CoordinatorAPI
import TransactionEngine

/// One branch on a transaction's page.
struct BranchCard {
    let number: Int
    let branch: BranchRecord
    let record: TransactionRecord
    /// What it waits for now, if that is known.
    let wait: LockWaitReport?
    /// When it is tried next, if this replica coordinates the transaction and waits for that.
    let nextAttempt: Timestamp?
    /// What its server answered last, if it has.
    let reading: PreparedReading?
    /// The replica that made the page.
    let replica: String
    let moment: Moment
    let isReadOnly: Bool

    /// What its server showed of it, if it was prepared there.
    private var found: PreparedInventory.Entry? {
        reading?.found?.entries.first { $0.found.gid == branch.gid }?.found
    }

    var html: HTML {
        div(.class("card branch"), .id("branch-\(number)")) {
            h3 {
                span(.class("branch-number")) { "\(number)" }
                a(.href(.participant(branch.participant))) { branch.participant }
                branch.tone.pill(outcomeWord)
            }
            dl(.class("facts")) {
                Parts.fact("Vote") { vote }
                Parts.fact("Commits by") { mode }
                Parts.fact("Attempts to finish") {
                    "\(branch.retries + (branch.outcome != nil && branch.evidence != nil ? 1 : 0))"
                }
                if branch.outcome == nil, record.decision != nil {
                    Parts.fact("Next attempt") { next }
                }
            }
            if branch.outcome == nil, let found, let reading { held(found, readAt: reading.at) }
            if let lastError = branch.lastError {
                div(.class("last-error")) {
                    h4 { branch.outcome == nil ? "Last error" : "What was found" }
                    p { code { lastError } }
                }
            }
            if let wait { waiting(wait) }
            if branch.outcome == nil { breakGlass } else if let resolve { resolve }
            evidence
        }
    }

    private var outcomeWord: String {
        switch branch.outcome {
        case nil: branch.lastError == nil ? "not ended" : "retrying"
        case .committed: "committed"
        case .rolledBack: "rolled back"
        case .heuristicCommit: "committed against the decision"
        case .heuristicRollback: "rolled back against the decision"
        case .heuristicMixed: "committed in part"
        case .heuristicHazard: "gone, unproved"
        }
    }

    /// When the next attempt is made, and by which replica.
    @HTMLBuilder private var next: HTML {
        if let nextAttempt {
            moment.relative(nextAttempt)
            ", by \(record.owner)"
        } else if record.owner == replica {
            "under way, by \(record.owner)"
        } else {
            "known to \(record.owner) alone, which makes it"
        }
    }

    /// What a prepared branch holds until it ends.
    private func held(_ found: PreparedInventory.Entry, readAt: Timestamp) -> HTML {
        div(.class("held")) {
            p {
                "Prepared on its server since "
                moment.age(readAt - Int64(found.ageSeconds * 1_000_000))
                ", in database "
                code { found.database }
                ". It holds \(count(found.lockCount, "lock", "locks"))"
                let relations = found.locks.compactMap(\.relation)
                if !relations.isEmpty {
                    " (on "
                    code { Array(Set(relations)).sorted().joined(separator: ", ") }
                    ")"
                }
                found.blockedCount == 0
                    ? " and blocks nobody (read "
                    : " and blocks \(count(found.blockedCount, "session", "sessions")) (read "
                moment.relative(readAt)
                ")."
            }
        }
    }

    private var vote: String {
        switch branch.vote {
        case nil: "none yet"
        case .prepared: "yes, prepared"
        case .readOnly: "read-only"
        case .no: "no"
        }
    }

    private var mode: String {
        switch branch.commitMode {
        case .twoPhase: "two phases"
        case .readOnly: "nothing to commit (read-only)"
        case .onePhase: "its own COMMIT, which decides"
        case .journal: "its journal, which decides"
        }
    }

    private func waiting(_ wait: LockWaitReport) -> HTML {
        div(.class("waiting")) {
            h4 { "Waits for a lock" }
            p {
                "For "
                moment.age(wait.since)
                if let relation = wait.relation {
                    ", on "
                    wait.row.map { "row \($0) of " } ?? ""
                    code { relation }
                }
                ". It is held by "
                for (index, blocker) in wait.blockers.enumerated() {
                    if index > 0 { ", " }
                    blocker.html
                }
                "."
            }
        }
    }

    // MARK: By hand

    private var breakGlass: HTML {
        // Where tandem has failed, it is what the operator came for.
        details(
            .class("by-hand"), .id("by-hand-\(number)"),
            branch.lastError == nil && !isUndecidable ? nil : Attribute("open", nil)
        ) {
            summary { "Finish it by hand" }
            switch BreakGlass(branch, of: record) {
            case .none(let reason): p { reason }
            case .statement(let sql, let role, let server, let isCertainlyPrepared):
                p {
                    "Only if tandem cannot: it tries by itself, and takes notice of what you do. Connect to the database of "
                    strong { branch.participant }
                    if let found {
                        " (its name there is "
                        code { found.database }
                        ")"
                    }
                    if let role {
                        " as role "
                        code { role }
                    } else {
                        " as the role that tandem connects as"
                    }
                    ", outside any transaction, and run:"
                }
                div(.class("statement")) {
                    pre { code(.id("sql-\(number)")) { sql } }
                    button(
                        .type("button"), .class("copy"), Attribute("data-copy", "sql-\(number)"),
                        .hidden, .labelled("Copy the statement")
                    ) { "Copy" }
                }
                if let server {
                    p(.class("check")) {
                        "It is the right server only if "
                        code { "SELECT system_identifier FROM pg_control_system()" }
                        " gives "
                        code { server }
                        "."
                    }
                }
                if !isCertainlyPrepared {
                    p(.class("check")) {
                        "The branch may not be prepared. That the prepared transaction does not "
                        "exist proves nothing: "
                        record.decision == .commit
                            ? "look for the branch's rows before you believe that it committed."
                            : "its PREPARE may still arrive, and tandem rolls that back."
                    }
                }
            }
            if let resolve { resolve }
        }
    }

    /// The button that opens the form for a resolution, where one is taken.
    private var resolve: HTML? {
        let isAstray = branch.outcome?.isAsDecided == false && record.finishedAt != nil
        let isOpen = branch.outcome == nil && (record.decision != nil || isUndecidable)
        guard !isReadOnly, isAstray || isOpen else { return nil }
        return div(.class("actions")) {
            button(
                .type("button"), .class(isAstray || isUndecidable ? "primary" : "quiet"), .hidden,
                Attribute("data-action", "resolve"), Attribute("data-branch", "\(number)"),
                Attribute("data-participant", branch.participant),
                Attribute("data-transaction", record.id.description),
                Attribute("data-tag", record.entityTag)
            ) { isAstray || isUndecidable ? "Resolve…" : "Record an outcome without proof…" }
        }
    }

    private var isUndecidable: Bool {
        record.decision == nil && (record.isHeld || record.state == .needsOperator)
    }

    private var evidence: HTML {
        details(.class("evidence"), .id("evidence-\(number)")) {
            summary { "Evidence" }
            dl(.class("facts")) {
                Parts.fact("Name (gid)") {
                    Parts.copyable(branch.gid, what: "the gid", id: "gid-\(number)")
                }
                if let evidence = branch.evidence {
                    Parts.fact("Transaction id (xid8)") { code { "\(evidence.transactionID)" } }
                    Parts.fact("Prepared by role") { code { evidence.owner } }
                    Parts.fact("System identifier") { code { evidence.systemIdentifier } }
                    Parts.fact("Server's timeline") { code { "\(evidence.timeline)" } }
                    Parts.fact("Log position") { code { evidence.location } }
                } else {
                    Parts.fact("Proof of the end") { "none is recorded" }
                }
            }
        }
    }
}

extension LockWaitReport.Party {
    /// The session or prepared transaction, with a link if it is tandem's.
    var html: HTML {
        if let transaction {
            return .group([
                .text(branch.map { "branch \($0) of " } ?? "transaction "),
                Parts.link(transaction),
            ])
        }
        if let gid { return .group([.text("prepared transaction "), code { gid }]) }
        var words = processID.map { "process \($0)" } ?? "a session"
        if let role { words += " of role \(role)" }
        if let applicationName, !applicationName.isEmpty { words += " (\(applicationName))" }
        return .text(words)
    }
}
