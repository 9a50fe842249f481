import CommitProtocol
import CoordinatorAPI
import TransactionEngine

/// What this replica knows of a participant without asking it.
struct ParticipantView {
    let status: ParticipantStatus
    /// The prepared transactions there that are left to an operator.
    let reported: [ReportedTransaction]
    /// What its server answered last, if it does answer.
    let reading: PreparedReading?

    /// How many of its prepared transactions are of this kind.
    func count(_ kinds: PreparedReport.Kind...) -> Int? {
        reading?.found.map { report in report.entries.count { kinds.contains($0.kind) } }
    }

    /// How many sessions wait for one of its prepared transactions.
    var blockedCount: Int? {
        reading?.found.map { report in report.entries.reduce(0) { $0 + $1.found.blockedCount } }
    }

    var pill: HTML {
        if status.isAvailable { return Tone.good.pill("available") }
        if status.isConnecting { return Tone.busy.pill("connecting") }
        return Tone.retry.pill("unavailable")
    }

    var sessions: HTML {
        .group([
            .text("\(status.connections) of \(status.poolSize)"),
            small { " \(status.idle) idle" },
        ])
    }

    /// The slots for prepared transactions in use, drawn and in figures.
    @HTMLBuilder var slots: HTML {
        if let slots = status.slots {
            let limit = max(slots.limit, 1)
            svg(
                .class("meter"), Attribute("width", "72"), Attribute("height", "8"), .decorative,
                Attribute("focusable", "false")
            ) {
                rect(
                    .class("ground"), Attribute("width", "100%"), Attribute("height", "8"),
                    Attribute("rx", "4"))
                rect(
                    .class(slots.inUse * 10 >= limit * 8 ? "level high" : "level"),
                    Attribute(
                        "width", "\(number(min(Double(slots.inUse) / Double(limit), 1) * 100))%"),
                    Attribute("height", "8"), Attribute("rx", "4"))
            }
            " \(slots.inUse) of \(slots.limit)"
        } else {
            "not known yet"
        }
    }
}

/// The registered participants.
struct ParticipantTable {
    let participants: [ParticipantView]
    let moment: Moment

    @HTMLBuilder var html: HTML {
        Parts.scrolling("Participants") {
            table(.class("rows")) {
                caption(.class("unseen")) { "The registered participants" }
                Parts.columns(
                    "Participant", "State", "Answers in", "Sessions open", "Prepared slots",
                    "Orphans",
                    "Foreign", "Blocked sessions", "Left to an operator", "Hazards")
                tbody {
                    for participant in participants {
                        let status = participant.status
                        tr {
                            th(.rowHeader) { a(.href(.participant(status.name))) { status.name } }
                            td {
                                participant.pill
                                if !status.isAvailable, let error = status.lastError {
                                    small(.class("cause")) {
                                        span(.class("clamp"), .title(error)) { error }
                                    }
                                }
                            }
                            td(.class("figure")) {
                                participant.reading?.found == nil
                                    ? "–"
                                    : TimeText.span(
                                        microseconds: participant.reading?.duration ?? 0)
                            }
                            td(.class("figure")) { participant.sessions }
                            td(.class("figure")) { participant.slots }
                            figure(participant.count(.orphan), .doubt)
                            figure(participant.count(.foreign, .otherInstallation), nil)
                            figure(participant.blockedCount, .retry)
                            figure(participant.reported.count, .bad)
                            figure(status.hazards?.hazards.count, status.hazards.tone)
                        }
                    }
                }
            }
        }
        p(.class("source")) {
            "Orphans, foreign prepared transactions and blocked sessions are what each server answered"
            if let oldest = participants.compactMap({ $0.reading?.at }).min() {
                " (the first of them "
                moment.relative(oldest)
                ")"
            }
            "; the rest is what this replica knows without asking, from its own sessions and its last "
            "scan of each server."
        }
    }

    private func figure(_ count: Int?, _ tone: Tone?) -> HTML {
        td(.class("figure")) {
            if let count, count > 0, let tone {
                tone.pill(grouped(count))
            } else {
                count.map(grouped) ?? "–"
            }
        }
    }
}

/// The list of participants as a page.
struct ParticipantsPage {
    let participants: [ParticipantView]
    let moment: Moment

    @HTMLBuilder var html: HTML {
        div(.class("page-head")) { h1 { "Participants" } }
        div(.id("participants"), .live) {
            ParticipantTable(participants: participants, moment: moment).html
        }
    }
}

/// One participant: its state, what is prepared there, and who waits for whom.
struct ParticipantPage {
    let participant: ParticipantView
    /// What its server answered last about sessions that wait; nil if it has not yet.
    let waits: WaitsReading?
    let moment: Moment
    let isReadOnly: Bool

    private var status: ParticipantStatus { participant.status }

    @HTMLBuilder var html: HTML {
        div(.class("page-head")) {
            p(.class("crumbs")) { a(.href(.participants)) { "Participants" } }
            h1 { status.name }
            div(.id("participant-state"), .live) { participant.pill }
        }
        div(.id("participant-facts"), .live) { facts }
        section(.labelled(by: "hazards-title")) {
            h2(.id("hazards-title")) { "Hazards" }
            div(.id("hazards"), .live) { HazardList(survey: status.hazards, moment: moment).html }
        }
        section(.labelled(by: "prepared-title")) {
            h2(.id("prepared-title")) { "Prepared transactions" }
            div(.id("prepared"), .live) {
                PreparedTable(reading: participant.reading ?? silent(), moment: moment).html
            }
        }
        section(.labelled(by: "unresolved-title")) {
            h2(.id("unresolved-title")) { "Left to an operator" }
            div(.id("unresolved"), .live) { unresolved }
        }
        section(.labelled(by: "waits-title")) {
            h2(.id("waits-title")) { "Sessions that wait for a lock" }
            div(.id("waits"), .live) { waiting }
        }
        p {
            a(.href(Target.transactions.with("participant", status.name))) {
                "Transactions with a branch in \(status.name)"
            }
        }
        if !isReadOnly { ResolveDialog.rowless.html }
    }

    /// The reading of a participant that is not asked, because it does not answer.
    private func silent<Answer>() -> ParticipantReading<Answer>? {
        guard !status.isAvailable else { return nil }
        return ParticipantReading(
            at: moment.now, duration: 0,
            answer: .failure(ParticipantUnreachable(status.lastError ?? "it does not answer")))
    }

    private var facts: HTML {
        div(.class("card")) {
            dl(.class("facts")) {
                Parts.fact("Sessions open") { participant.sessions }
                Parts.fact("Prepared slots in use") { participant.slots }
                if let slots = status.slots {
                    Parts.fact("Slots of this replica") {
                        "\(slots.own)" + (slots.share.map { " of its share of \($0)" } ?? "")
                    }
                    Parts.fact("Slots of others") {
                        slots.others.map { "\($0), when they were last counted" }
                            ?? "not counted yet"
                    }
                }
                Parts.fact("Requests to finish") {
                    switch status.circuit {
                    case .closed: "are sent"
                    case .open: "wait until it answers"
                    case .halfOpen: "wait; an attempt to connect is under way"
                    }
                }
                Parts.fact("Failed attempts to connect") { "\(status.failuresInARow)" }
                Parts.fact("System identifier") {
                    status.systemIdentifier.map { value in code { value } }
                        ?? .text("not known yet")
                }
                Parts.fact("Server's timeline") {
                    status.timeline.map { "\($0)" } ?? "not known yet"
                }
                Parts.fact("Generation") { status.version.map { "\($0)" } ?? "not known yet" }
                if let error = status.lastError {
                    Parts.fact(status.isAvailable ? "Last error, now past" : "Last error") {
                        code { error }
                    }
                }
            }
            Parts.source("What this replica knows of it without asking.")
        }
    }

    @HTMLBuilder private var unresolved: HTML {
        if participant.reported.isEmpty {
            Parts.empty("None.")
        } else {
            for found in participant.reported {
                div(.class("card found")) {
                    p { code { found.gid } }
                    p { "Why it is left: \(found.reason)." }
                    p { strong { found.remedy } }
                    dl(.class("inline-facts")) {
                        Parts.fact("Role") { code { found.owner } }
                        Parts.fact("Database") { code { found.database } }
                        Parts.fact("Prepared") { moment.relative(found.preparedAt) }
                        if let branch = found.branch, branch.hasRow {
                            Parts.fact("Transaction") { Parts.link(branch.transaction) }
                        }
                    }
                    if !isReadOnly, let branch = found.rowless { resolve(branch) }
                }
            }
        }
        Parts.source("Found by this replica's last scan of the server.")
    }

    /// The button that opens the form for a prepared transaction without a row.
    private func resolve(_ branch: ReportedTransaction.Branch) -> HTML {
        div(.class("actions")) {
            button(
                .type("button"), .class("primary"), .hidden, Attribute("data-action", "resolve"),
                Attribute("data-branch", "\(branch.number)"),
                Attribute("data-participant", status.name),
                Attribute("data-transaction", branch.transaction.description),
                // No version: the interface refuses it as soon as there is a row.
                Attribute("data-tag", "*"),
                .labelled("Resolve branch \(branch.number) of \(branch.transaction)…")
            ) { "Resolve…" }
        }
    }

    @HTMLBuilder private var waiting: HTML {
        let reading = waits ?? silent()
        switch reading?.answer {
        case nil: Parts.unanswered
        case .failure(let failure):
            Parts.unknown(failure.reason)
        case .success(let waits) where waits.isEmpty:
            Parts.empty("No session waits for a lock.")
        case .success(let waits):
            Parts.scrolling("Waits") {
                table(.class("rows")) {
                    caption(.class("unseen")) { "Sessions that wait for a lock, and for whom" }
                    Parts.columns("Who waits", "Since", "For", "Held by")
                    tbody {
                        for wait in waits {
                            tr {
                                th(.rowHeader) { wait.waiter.html }
                                td { moment.relative(wait.since) }
                                td {
                                    wait.relation.map { relation in
                                        code { relation + (wait.row.map { " \($0)" } ?? "") }
                                    }
                                }
                                td(.class("prose")) {
                                    for (index, blocker) in wait.blockers.enumerated() {
                                        if index > 0 { ", " }
                                        blocker.html
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        if let reading, reading.found != nil {
            reading.source("pg_stat_activity and pg_locks", moment)
        }
    }
}
