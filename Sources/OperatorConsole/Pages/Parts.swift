import CommitProtocol
import TransactionEngine

/// Parts that several pages have.
enum Parts {
    /// A table that scrolls by itself where it is too wide.
    static func scrolling(_ name: String, @HTMLBuilder content: () -> HTML) -> HTML {
        // A region's name must differ from that of the section around it.
        div(
            .class("scroll"), .role("region"), .labelled("\(name), table"),
            Attribute("tabindex", "0")
        ) {
            content()
        }
    }

    /// The headers of a table's columns.
    static func columns(_ names: String...) -> HTML {
        thead { tr { for name in names { th(.columnHeader) { name } } } }
    }

    /// A text with a button that copies it.
    static func copyable(_ text: String, what: String, id: String) -> HTML {
        span(.class("copyable")) {
            code(.id(id)) { text }
            button(
                .type("button"), .class("copy"), Attribute("data-copy", id), .hidden,
                .labelled("Copy \(what)")
            ) { "Copy" }
        }
    }

    /// One fact in a list of facts.
    static func fact(_ name: String, @HTMLBuilder content: () -> HTML) -> HTML {
        div {
            dt { name }
            dd { content() }
        }
    }

    /// Where what stands above comes from, and how old it is.
    static func source(_ text: String) -> HTML {
        p(.class("source")) { text }
    }

    /// What stands in the place of a list that is empty.
    static func empty(_ text: String) -> HTML {
        p(.class("empty")) { text }
    }

    /// What stands in the place of an answer that could not be had, for this reason.
    static func unknown(_ reason: String) -> HTML {
        // A server's own words may end as a sentence does.
        empty("Not known: " + reason + (reason.hasSuffix(".") ? "" : "."))
    }

    /// What stands in the place of an answer that is not there.
    static let unanswered = empty(
        "The server has not answered yet. This page shows its answer as soon as it comes.")

    /// A message above everything else.
    static func notice(_ tone: Tone, @HTMLBuilder content: () -> HTML) -> HTML {
        div(.class("notice \(tone.rawValue)")) {
            tone.icon
            div { content() }
        }
    }

    /// A link to a transaction's page.
    static func link(_ id: GlobalTransactionID) -> HTML {
        a(.class("id"), .href(.transaction(id.description))) {
            strong { "\(id.number)" }
            span { "-" + id.description.split(separator: "-")[1] }
        }
    }

    /// Links to participants' pages.
    static func participants(_ names: [String]) -> HTML {
        var seen: Set<String> = []
        let distinct = names.filter { seen.insert($0).inserted }
        return .group(
            distinct.enumerated().map { index, name in
                .group([
                    .text(index == 0 ? "" : ", "),
                    a(.href(.participant(name))) { name },
                ])
            })
    }
}
