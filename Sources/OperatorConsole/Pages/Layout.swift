import AccessControl
import CoordinatorAPI
import TransactionEngine

/// What every page has around its content.
struct Layout {
    /// What the pages of this replica have in common.
    struct Site: Sendable {
        let replica: String
        var isReadOnly: Bool
        let assets: Assets
        /// Who looks at the pages.
        var visitor = Principal.anonymous
        /// Whether the visitor showed a token, and so can sign out.
        var isSignedIn = false
    }

    /// A page's place in the navigation; an error and the way in have none.
    ///
    /// The page's script compares it, so that no error is taken for a new version of a page.
    enum Place: String { case overview, transactions, participants, error, signIn }

    let site: Site
    let place: Place
    /// The page's name, which its heading and the window's title have.
    let title: String
    /// When its data was read.
    let moment: Moment
    /// The resource of the interface that holds the same as JSON.
    var json: Target?

    /// The page, with `content` as its main part.
    func page(@HTMLBuilder content: () -> HTML) -> [UInt8] {
        var bytes = Array("<!DOCTYPE html>\n".utf8)
        html(Attribute("lang", "en")) {
            headElement
            pageBody {
                a(.class("skip"), Attribute("href", "#main")) { "Skip to the content" }
                banner
                main(
                    .id("main"), Attribute("data-page", place.rawValue), Attribute("tabindex", "-1")
                ) { content() }
                foot
                HelpDialog.html
            }
        }.render(to: &bytes)
        return bytes
    }

    private var headElement: HTML {
        head {
            meta(Attribute("charset", "utf-8"))
            meta(
                .name("viewport"), Attribute("content", "width=device-width, initial-scale=1"))
            meta(.name("color-scheme"), Attribute("content", "light dark"))
            pageTitle { "\(title) · tandem" }
            link(Attribute("rel", "icon"), .type("image/svg+xml"), .href(site.assets.icon))
            link(Attribute("rel", "stylesheet"), .href(site.assets.style))
            script(Attribute("src", site.assets.script.text), Attribute("defer", nil))
        }
    }

    private var banner: HTML {
        header(.class("banner")) {
            a(.class("brand"), .href(.overview), .labelled("tandem, overview")) {
                Self.logo
                span { "tandem" }
            }
            nav(.labelled("Pages")) {
                ul {
                    if site.visitor.may(.operate) {
                        entry("Overview", .overview, at: .overview)
                    }
                    if site.visitor.may(.read) {
                        entry("Transactions", .transactions, at: .transactions)
                    }
                    if site.visitor.may(.operate) {
                        entry("Participants", .participants, at: .participants)
                    }
                }
            }
            div(.class("tools")) {
                span(.class("replica"), .title("The replica that made this page")) {
                    site.replica
                }
                if site.isReadOnly {
                    span(
                        .class("pill calm"),
                        .title("console: readOnly is configured, or you have no scope operate")
                    ) { "read only" }
                }
                if site.isSignedIn { SignInPage.signOut(of: site.visitor) }
                // The page's script shows them: without it, neither works.
                button(
                    .type("button"), .class("quiet"), .id("live-toggle"), .hidden,
                    Attribute("aria-pressed", "false")
                ) { "Pause" }
                button(
                    .type("button"), .class("quiet"), .id("help-open"), .hidden,
                    .labelled("Keyboard shortcuts")
                ) { "?" }
            }
        }
    }

    private func entry(_ name: String, _ target: Target, at place: Place) -> HTML {
        li { a(.href(target), place == self.place ? .current : nil) { name } }
    }

    private var foot: HTML {
        footer(.class("foot"), .id("foot")) {
            p(.id("read-at"), .live) {
                "Read by \(site.replica) at "
                moment.full(moment.now)
                ". "
                noscript { "Reload the page to read again." }
            }
            p(.class("live")) {
                span(.id("live-state"), .role("status")) {}
                " "
                span(.id("live-age")) {}
            }
            p(.class("reply")) {
                span(.id("reply"), .role("status")) {}
                // The sheet shows it while there is something to dismiss.
                button(.type("button"), .class("quiet"), .id("reply-dismiss")) { "Dismiss" }
            }
            if let json {
                p { a(.href(json), .class("json")) { "This page's data as JSON" } }
            }
        }
    }

    private static var logo: HTML {
        svg(
            .class("logo"), Attribute("viewBox", "0 0 32 20"), .decorative,
            Attribute("focusable", "false")
        ) {
            circle(Attribute("cx", "10"), Attribute("cy", "10"), Attribute("r", "7.5"))
            circle(Attribute("cx", "22"), Attribute("cy", "10"), Attribute("r", "7.5"))
        }
    }
}

/// The list of keys that the page's script listens to.
private enum HelpDialog {
    static let keys: [(String, String)] = [
        ("g o", "Go to the overview"), ("g t", "Go to the transactions"),
        ("g p", "Go to the participants"), ("j", "Next row"), ("k", "Previous row"),
        ("/", "Go to the filters"), ("p", "Pause or resume the updates"),
        ("c", "Copy the transaction's id"), ("?", "Show this list"),
    ]

    static var html: HTML {
        dialog(.id("help"), .labelled(by: "help-title")) {
            h2(.id("help-title")) { "Keyboard shortcuts" }
            dl(.class("keys")) {
                for (key, meaning) in keys {
                    div {
                        dt { for part in key.split(separator: " ") { kbd { String(part) } } }
                        dd { meaning }
                    }
                }
            }
            form(.class("ask"), Attribute("method", "dialog")) {
                label(.class("check-line")) {
                    input(.type("checkbox"), .id("keys-on"), Attribute("checked", nil))
                    span { "Listen to these keys, in this browser" }
                }
                div(.class("buttons")) { button(.class("primary")) { "Close" } }
            }
        }
    }
}
