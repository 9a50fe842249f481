import CommitProtocol
import CoordinatorAPI
import TransactionEngine

/// All that is known of one transaction, and what an operator may do about it.
struct TransactionPage {
    let record: TransactionRecord
    /// Its course, as far as the row and this replica's memory hold it.
    let events: [TimelineEvent]
    /// What its branches wait for, if this replica coordinates it.
    let waits: [LockWaitReport]
    /// When branches are tried next, which the coordinating replica alone knows.
    let nextAttempts: [Int: Timestamp]
    /// What the servers of its open branches answered last.
    let readings: [String: PreparedReading]
    /// The replica that made the page.
    let replica: String
    let moment: Moment
    let isReadOnly: Bool

    private var standing: Standing { Standing(record, now: moment.now) }
    private var id: String { record.id.description }
    private var isFinished: Bool { record.finishedAt != nil }

    @HTMLBuilder var html: HTML {
        div(.class("page-head")) {
            p(.class("crumbs")) { a(.href(.transactions)) { "Transactions" } }
            h1 {
                "Transaction "
                span(.class("number")) { "\(record.id.number)" }
            }
            Parts.copyable(id, what: "the transaction's id", id: "transaction-id")
        }
        div(
            .id("standing"), .live, .class("standing \(standing.tone.rawValue)"),
            Attribute("data-headline", standing.word)
        ) {
            standing.tone.pill(standing.word)
            div {
                p(.class("description")) { standing.description }
                p(.class("advice")) { standing.advice }
            }
            actions
        }
        section(.labelled(by: "timeline-title")) {
            h2(.id("timeline-title")) { "Timeline" }
            div(.id("timeline"), .live) {
                TimelineChart(
                    rows: TransactionCourse(
                        record: record, events: events, replica: replica, moment: moment
                    ).rows, moment: moment
                ).html
            }
        }
        section(.labelled(by: "branches-title")) {
            h2(.id("branches-title")) { "Branches" }
            div(.id("branches"), .live, .class("branches")) {
                for (number, branch) in record.branches.enumerated() {
                    BranchCard(
                        number: number, branch: branch, record: record,
                        wait: waits.first { $0.waiter.branch == number },
                        nextAttempt: nextAttempts[number],
                        reading: readings[branch.participant], replica: replica, moment: moment,
                        isReadOnly: isReadOnly
                    ).html
                }
            }
        }
        // One part, since either may appear while the page is open.
        div(.id("outcome"), .live, .class("stack")) {
            problem
            resolutions
        }
        section(.labelled(by: "facts-title")) {
            h2(.id("facts-title")) { "Facts" }
            div(.id("facts"), .live) { facts }
        }
        if !isReadOnly { ActionDialogs(record: record).html }
    }

    // MARK: Actions

    private var mayRetry: Bool {
        record.decision != nil && !isFinished && record.branches.contains { $0.outcome == nil }
    }

    private var mayRollBack: Bool {
        record.decision == nil && !isFinished && !record.isHeld && record.state != .needsOperator
    }

    /// The buttons; the page's script shows them, and asks before anything is sent.
    private var actions: HTML {
        guard !isReadOnly else { return .nothing }
        return div(.class("actions")) {
            if mayRetry {
                button(
                    .type("button"), .class("primary"), .hidden,
                    Attribute("data-action", "retry"), Attribute("data-transaction", id)
                ) { "Retry now" }
            }
            if mayRollBack {
                button(
                    .type("button"), .class("danger"), .hidden,
                    Attribute("data-action", "rollback"), Attribute("data-transaction", id)
                ) { "Roll back…" }
            }
        }
    }

    // MARK: The rest

    private var problem: HTML? {
        guard let problem = record.problemSummary else { return nil }
        return section(.labelled(by: "problem-title")) {
            h2(.id("problem-title")) { "Why it was aborted" }
            div(.id("problem"), .class("card problem")) {
                p(.class("problem-title")) { problem.title }
                p { problem.detail }
                dl(.class("inline-facts")) {
                    Parts.fact("Type") { code { problem.type } }
                    if let participant = problem.participant {
                        Parts.fact("Participant") { Parts.participants([participant]) }
                    }
                    if let branch = problem.branch { Parts.fact("Branch") { "\(branch)" } }
                    if let statement = problem.statement {
                        Parts.fact("Statement") { "\(statement), counted from 0" }
                    }
                    if let state = problem.sqlState { Parts.fact("SQLSTATE") { code { state } } }
                }
            }
        }
    }

    private var resolutions: HTML? {
        guard !record.resolutions.isEmpty else { return nil }
        return section(.labelled(by: "resolutions-title")) {
            h2(.id("resolutions-title")) { "Resolutions" }
            div(.id("resolutions")) {
                Parts.scrolling("Resolutions") {
                    table {
                        caption { "What operators recorded, the oldest first; nothing removes it." }
                        Parts.columns("When", "Branch", "Outcome", "Before", "By", "Reason")
                        tbody {
                            for resolution in record.resolutions {
                                tr {
                                    td { moment.full(resolution.at) }
                                    td { "\(resolution.branch)" }
                                    td {
                                        resolution.action == .committed
                                            ? "committed" : "rolled back"
                                        if resolution.isForced { " (forced)" }
                                    }
                                    td { resolution.found }
                                    td { resolution.actor }
                                    td(.class("prose")) { resolution.reason }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    private var facts: HTML {
        div(.class("card")) {
            dl(.class("facts")) {
                Parts.fact("Accepted") { moment.full(record.acceptedAt) }
                Parts.fact("Deadline") { moment.full(record.deadline) }
                Parts.fact("Decided") {
                    record.decidedAt.map(moment.full) ?? .text("not yet")
                    if let decision = record.decision { ", to \(decision.rawValue)" }
                }
                Parts.fact("Finished") { record.finishedAt.map(moment.full) ?? .text("not yet") }
                Parts.fact(isFinished ? "Coordinated by" : "Coordinator") {
                    record.owner.isEmpty ? "no replica" : record.owner
                    small { " epoch \(record.epoch)" }
                }
                Parts.fact("Principal") { record.principal.isEmpty ? "none" : record.principal }
                Parts.fact("Isolation") { record.isolation.rawValue }
                Parts.fact("Run of its request") { "\(record.attempt)" }
                if let trace = record.traceParent {
                    Parts.fact("Trace") { code { trace.traceIDText } }
                }
                if let before = record.retryOf {
                    Parts.fact("The run before") { Parts.link(before) }
                }
                if let next = record.retriedAs {
                    Parts.fact("The run after") { Parts.link(next) }
                }
                for label in record.labels {
                    Parts.fact("Label \(label.name)") {
                        a(
                            .href(
                                Target.transactions.with("label", "\(label.name):\(label.value)"))
                        ) { label.value.isEmpty ? "(empty)" : label.value }
                    }
                }
            }
            Parts.source(
                "The row in the state database, with what \(replica) knows beyond it. A decision is "
                    + "shown only once it is durable.")
        }
    }
}
