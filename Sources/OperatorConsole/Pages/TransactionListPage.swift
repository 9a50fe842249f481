import CommitProtocol
import CoordinatorAPI
import TransactionEngine

/// A page of the list of transactions, with its filters.
struct TransactionListPage {
    /// What was asked for, as parameters of `GET /v1/transactions`.
    let items: [(name: String, value: String)]
    /// What is wrong with it; then there is no page.
    let faults: [String]
    let page: RecordPage?
    /// The registered participants, to choose from.
    let participants: [String]
    let moment: Moment

    @HTMLBuilder var html: HTML {
        div(.class("page-head")) { h1 { "Transactions" } }
        filters
        if !faults.isEmpty {
            Parts.notice(.bad) {
                p { strong { "These filters cannot be used." } }
                ul { for fault in faults { li { fault } } }
            }
        }
        if let page { list(page) }
    }

    /// The same list as JSON.
    var json: Target { Target.transactionsJSON.with(items) }

    private func value(_ name: String) -> String? { items.first { $0.name == name }?.value }

    private func values(_ name: String) -> [String] {
        items.filter { $0.name == name }.map(\.value)
    }

    /// The target of the list without a parameter's values.
    private func without(_ names: String...) -> [(name: String, value: String)] {
        items.filter { !names.contains($0.name) }
    }

    // MARK: Filters

    private var filters: HTML {
        form(
            .class("filters card"), Attribute("method", "get"),
            Attribute("action", Target.transactions.text), .role("search"),
            .labelled("Filters")
        ) {
            label {
                "Queue"
                select(.name("queue")) {
                    choice("", "any", isChosen: value("queue") == nil)
                    for queue in QueueView.order {
                        choice(
                            queue.rawValue, queue.inWords,
                            isChosen: value("queue") == queue.rawValue)
                    }
                }
            }
            label {
                "State"
                select(.name("state")) {
                    choice("", "any", isChosen: values("state").isEmpty)
                    for state in TransactionState.allCases {
                        choice(
                            state.rawValue, state.inWords,
                            isChosen: values("state") == [state.rawValue])
                    }
                }
            }
            label {
                "Participant"
                select(.name("participant")) {
                    choice("", "any", isChosen: value("participant") == nil)
                    for name in names { choice(name, name, isChosen: value("participant") == name) }
                }
            }
            label {
                "Label"
                input(
                    .name("label"), .type("text"), .value(values("label").first ?? ""),
                    Attribute("placeholder", "name:value"), Attribute("spellcheck", "false"))
            }
            label {
                "Accepted before"
                input(
                    .name("acceptedBefore"), .type("text"), .value(value("acceptedBefore") ?? ""),
                    Attribute("placeholder", "2026-03-01T12:00:00Z"),
                    Attribute("spellcheck", "false"))
            }
            label {
                "Order"
                select(.name("order")) {
                    choice("", "newest first", isChosen: value("order") != "oldest")
                    choice("oldest", "oldest first", isChosen: value("order") == "oldest")
                }
            }
            button(.type("submit"), .class("primary")) { "Show" }
            if !without("cursor", "limit").isEmpty {
                a(.class("button quiet"), .href(.transactions)) { "Clear" }
            }
        }
    }

    /// The participants to choose from; one that is asked for may no longer be registered.
    private var names: [String] {
        guard let asked = value("participant"), !participants.contains(asked) else {
            return participants
        }
        return participants + [asked]
    }

    private func choice(_ value: String, _ name: String, isChosen: Bool) -> HTML {
        option(.value(value), isChosen ? Attribute("selected", nil) : nil) { name }
    }

    // MARK: The list

    private func list(_ page: RecordPage) -> HTML {
        div(.id("list"), .live) {
            if page.records.isEmpty {
                Parts.empty(
                    page.next != nil
                        ? "No transaction of this page matches any more; the next page may have some."
                        : without("cursor", "limit").isEmpty
                            ? "No transaction is recorded. The first one appears here as soon as it is accepted."
                            : "No transaction matches these filters.")
            } else {
                Parts.scrolling("Transactions") { rows(page.records) }
            }
            pages(page)
        }
    }

    private func rows(_ records: [TransactionRecord]) -> HTML {
        table(.class("rows")) {
            caption {
                "\(count(records.count, "transaction", "transactions")), the "
                value("order") == "oldest" ? "oldest" : "newest"
                " first, read from "
                "the state database."
            }
            Parts.columns(
                "Transaction", "State", "Accepted", "Took", "Participants", "Labels", "Note")
            tbody {
                for record in records {
                    let standing = Standing(record, now: moment.now)
                    tr {
                        th(.rowHeader) { Parts.link(record.id) }
                        td { standing.tone.pill(standing.word) }
                        td { moment.relative(record.acceptedAt) }
                        td(.class("figure")) {
                            record.finishedAt.map {
                                TimeText.span(microseconds: $0 - record.acceptedAt)
                            } ?? "not finished"
                        }
                        td { Parts.participants(record.branches.map(\.participant)) }
                        td(.class("labels")) {
                            for label in record.labels {
                                a(
                                    .class("label"),
                                    .href(
                                        Target.transactions.with(
                                            "label", "\(label.name):\(label.value)"))
                                ) { "\(label.name): \(label.value)" }
                            }
                        }
                        td(.class("prose")) {
                            if let note = record.note {
                                div(.class("clamp"), .title(note)) { note }
                            }
                        }
                    }
                }
            }
        }
    }

    private func pages(_ page: RecordPage) -> HTML? {
        guard page.next != nil || value("cursor") != nil else { return nil }
        return nav(.class("pages"), .labelled("Pages of the list")) {
            if value("cursor") != nil {
                a(.class("button quiet"), .href(Target.transactions.with(without("cursor")))) {
                    "First page"
                }
            }
            if let next = page.next {
                a(
                    .class("button quiet"), Attribute("rel", "next"),
                    .href(Target.transactions.with(without("cursor")).with("cursor", "\(next)"))
                ) { "Next page" }
            }
        }
    }
}

extension TransactionQueue {
    var inWords: String {
        switch self {
        case .running: "running"
        case .retrying: "retrying"
        case .inDoubt: "in doubt"
        case .needsOperator: "needs an operator"
        }
    }
}

extension TransactionState {
    var inWords: String { self == .needsOperator ? "needs an operator" : rawValue }
}

extension TransactionRecord {
    /// What deserves to be seen in a list: the last error of a branch, or why it was aborted.
    var note: String? {
        if let failing = branches.first(where: { $0.outcome == nil && $0.lastError != nil }) {
            return failing.lastError
        }
        return problemSummary?.title
    }
}
