import AccessControl

/// A page that says why there is no other.
struct ErrorPage {
    let title: String
    let detail: String

    static let notFound = ErrorPage(
        title: "Nothing is here",
        detail: "No page has this address. A finished transaction is removed after "
            + "transactions.retentionHours, and its page with it.")

    /// The page for a visitor whose scopes do not allow another one.
    static func forbidden(_ scopes: [Scope], _ principal: String) -> ErrorPage {
        let names = scopes.map(\.rawValue).joined(separator: " or ")
        return ErrorPage(
            title: "This is not for you",
            detail: "The page needs the scope \(names), which the token of \(principal) has not.")
    }

    static func stateDatabase(_ reason: String) -> ErrorPage {
        ErrorPage(
            title: "The state database does not answer",
            detail:
                "This page is read from it, and \(reason). The overview shows what this replica "
                + "knows by itself. Nothing that was decided is lost: tandem goes on as soon as the "
                + "state database answers.")
    }

    @HTMLBuilder var html: HTML {
        // One part, since another error may follow this one.
        div(.id("error"), .live, .class("stack")) {
            div(.class("page-head")) { h1 { title } }
            Parts.notice(.bad) {
                p { detail }
                p { a(.href(.overview)) { "Go to the overview" } }
            }
        }
    }
}
