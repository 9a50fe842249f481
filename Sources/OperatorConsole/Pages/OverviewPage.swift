import CommitProtocol
import CoordinatorAPI
import TransactionEngine

/// What runs, what is stuck, and what the replicas and participants are doing.
struct OverviewPage {
    let queues: [QueueView]
    /// Why the state database could not be read; nil if it was.
    let stateFailure: String?
    let readiness: Readiness
    /// What was found on the state database's server; nil before the first reading.
    let stateHazards: HazardSurvey?
    /// How old a transaction must be to be listed, in seconds.
    let age: Int
    let activity: ActivityReport
    let inFlight: Int
    let participants: [ParticipantView]
    let replicas: [ReplicaReport]
    let replica: String
    let moment: Moment

    @HTMLBuilder var html: HTML {
        div(.class("page-head")) { h1 { "Overview" } }
        div(
            .id("headline"), .live, .class("standing \(headline.tone.rawValue)"),
            Attribute("data-headline", headline.text)
        ) {
            headline.tone.icon
            div {
                p(.class("description")) { headline.text }
                p(.class("advice")) { headline.advice }
            }
        }
        div(.id("notices"), .live) { notices }
        section(.labelled(by: "stuck-title")) {
            div(.class("section-head")) {
                h2(.id("stuck-title")) { "Unfinished" }
                ages
            }
            div(.id("queues"), .live, .class("queues")) {
                if stateFailure == nil { for queue in queues { queue.html(moment) } }
                if let stateFailure {
                    Parts.empty("Not known: the state database does not answer (\(stateFailure)).")
                }
            }
        }
        section(.labelled(by: "hour-title")) {
            h2(.id("hour-title")) { "Last hour" }
            div(.id("hour"), .live) {
                ActivityView(
                    activity: activity, inFlight: inFlight, replica: replica, moment: moment
                ).html
            }
        }
        section(.labelled(by: "participants-title")) {
            h2(.id("participants-title")) { "Participants" }
            div(.id("participants"), .live) {
                ParticipantTable(participants: participants, moment: moment).html
            }
        }
        section(.labelled(by: "replicas-title")) {
            h2(.id("replicas-title")) { "Replicas" }
            div(.id("replicas"), .live) {
                if stateFailure == nil {
                    ReplicaTable(replicas: replicas, moment: moment).html
                } else {
                    Parts.empty("Not known: they are recorded in the state database.")
                }
            }
        }
    }

    // MARK: The headline

    private var headline: (tone: Tone, text: String, advice: String) {
        if stateFailure != nil {
            return (
                .bad, "The state database does not answer.",
                "Nothing new is accepted, and what is in doubt is not known. Bring it back; tandem "
                    + "goes on by itself."
            )
        }
        if let queue = queues.first(where: { $0.kind == .needsOperator }), queue.count > 0 {
            return (
                .bad,
                "\(count(queue.count, "transaction needs", "transactions need")) an operator.",
                "Open each one below: its page says what is known and what to do."
            )
        }
        if let left { return left }
        let lost = participants.filter { !$0.status.isAvailable && !$0.status.isConnecting }
        if !lost.isEmpty {
            return (
                .retry,
                lost.map(\.status.name).joined(separator: " and ")
                    + (lost.count == 1 ? " does not answer." : " do not answer."),
                "tandem refuses work for \(lost.count == 1 ? "it" : "them") and retries what is decided. "
                    + "Bring \(lost.count == 1 ? "it" : "them") back; nothing else is needed."
            )
        }
        if let queue = queues.first(where: { $0.kind == .inDoubt }), queue.count > 0 {
            return (
                .doubt,
                "\(count(queue.count, "transaction is", "transactions are")) in doubt.",
                "Their deadline has passed, or their commit point was asked and its answer is not "
                    + "recorded. Each one's page says what is missing."
            )
        }
        if let queue = queues.first(where: { $0.kind == .retrying }), queue.count > 0 {
            return (
                .retry,
                "\(count(queue.count, "transaction is", "transactions are")) being retried.",
                "They are decided, and tandem finishes them by itself."
            )
        }
        return (.good, "Nothing needs an operator.", "No transaction is in doubt or being retried.")
    }

    /// What no transaction shows, and still waits for an operator.
    private var left: (tone: Tone, text: String, advice: String)? {
        if readiness.quarantineReason != nil {
            return (
                .bad, "The state database is in quarantine.",
                "What was undecided is left to an operator; the notice below says how to go on."
            )
        }
        let reporting = participants.filter { !$0.reported.isEmpty }
        guard !reporting.isEmpty else { return undoing }
        let total = reporting.reduce(0) { $0 + $1.reported.count }
        return (
            .bad,
            "\(count(total, "prepared transaction is", "prepared transactions are")) left to an operator.",
            "tandem may not finish what it cannot prove. Open "
                + reporting.map(\.status.name).joined(separator: " and ")
                + " below: its page says why, and what to do."
        )
    }

    /// Participants whose servers contradict decisions, also while nothing fails.
    private var undoing: (tone: Tone, text: String, advice: String)? {
        let names = participants.map(\.status).filter { $0.hazards.tone == .bad }.map(\.name)
        guard !names.isEmpty else { return nil }
        let places = names.joined(separator: " and ")
        return (
            .bad, "On the server of \(places) is what undoes two-phase commit.",
            "Open \(places) below: its page names the hazard, and what to do."
        )
    }

    @HTMLBuilder private var notices: HTML {
        if let reason = readiness.quarantineReason {
            Parts.notice(.bad) {
                p { strong { "The state database is in quarantine." } }
                p {
                    "\(reason). Undecided transactions from before are held until an operator resolves "
                    "them or runs "
                    code { "tandem release" }
                    "."
                }
            }
        }
        if readiness.isDraining {
            Parts.notice(.retry) { p { "\(replica) is stopping and accepts nothing new." } }
        }
        // While the server does not answer, they are of no use.
        for hazard in stateFailure == nil ? stateHazards?.hazards ?? [] : [] {
            hazard.notice { "The state database's server: \(hazard.kind.inWords)" }
        }
    }

    /// The choice of how old a transaction must be to be listed.
    private var ages: HTML {
        nav(.class("ages"), .labelled("Older than")) {
            span { "Older than" }
            for (seconds, name) in [(0, "any age"), (60, "1 min"), (600, "10 min"), (3_600, "1 h")]
            {
                a(
                    .href(
                        seconds == 0
                            ? .overview : Target.overview.with("olderThan", "\(seconds)")),
                    seconds == age ? Attribute("aria-current", "true") : nil
                ) { name }
            }
        }
    }
}

/// One of the queues of unfinished transactions.
struct QueueView {
    /// The order in which they are shown: the most urgent first.
    static let order: [TransactionQueue] = [.needsOperator, .inDoubt, .retrying, .running]
    static let rowsMax = 8

    let kind: TransactionQueue
    /// How many there are, of whatever age.
    let count: Int
    /// Whether there may be more.
    let isAtLeast: Bool
    /// The oldest of them that are old enough to be listed.
    let records: [TransactionRecord]

    private var words: (title: String, tone: Tone, meaning: String, none: String) {
        switch kind {
        case .needsOperator:
            (
                "Needs an operator", .bad, "Ended against the decision, or nothing proves how.",
                "None."
            )
        case .inDoubt:
            (
                "In doubt", .doubt,
                "Past the deadline, or the commit point was asked; no decision is known.", "None."
            )
        case .retrying:
            (
                "Retrying", .retry, "Decided; a branch is not finished, and tandem tries again.",
                "None."
            )
        case .running: ("Running", .busy, "Undecided, and before the deadline.", "None now.")
        }
    }

    func html(_ moment: Moment) -> HTML {
        let words = words
        return div(.class("queue card \(words.tone.rawValue)\(count == 0 ? " none" : "")")) {
            div(.class("queue-head")) {
                h3 {
                    words.tone.icon
                    words.title
                }
                p(.class("big")) { (isAtLeast ? "≥ " : "") + grouped(count) }
            }
            p(.class("meaning")) { words.meaning }
            if records.isEmpty {
                Parts.empty(count == 0 ? words.none : "None is that old.")
            } else {
                table(.class("rows compact")) {
                    caption(.class("unseen")) { "\(words.title), the oldest first" }
                    Parts.columns("Transaction", "Age", "Where")
                    tbody {
                        for record in records {
                            tr {
                                th(.rowHeader) { Parts.link(record.id) }
                                td { moment.age(record.acceptedAt) }
                                td(.class("prose")) { place(record) }
                            }
                        }
                    }
                }
                p(.class("more")) {
                    a(
                        .href(
                            Target.transactions.with("queue", kind.rawValue).with("order", "oldest")
                        )
                    ) { "All of them, the oldest first" }
                }
            }
        }
    }

    /// The participants that it is about, and the last error there.
    @HTMLBuilder private func place(_ record: TransactionRecord) -> HTML {
        let open = record.branches.filter { $0.outcome == nil || $0.outcome?.isAsDecided == false }
        Parts.participants((open.isEmpty ? record.branches : open).map(\.participant))
        if let error = open.compactMap(\.lastError).first {
            small(.class("error-line clamp"), .title(error)) { error }
        }
    }
}
