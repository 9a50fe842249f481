import AccessControl

/// The page that asks for a token.
struct SignInPage {
    /// Why the last one did not do; nil before the first.
    let refusal: String?
    /// The path and query to go to afterwards.
    let next: String

    @HTMLBuilder var html: HTML {
        div(.class("page-head")) { h1 { "Sign in" } }
        div(.class("card")) {
            form(
                .class("ask"), Attribute("method", "post"),
                Attribute("action", Target.signIn.text)
            ) {
                label {
                    "Your token"
                    input(
                        .name("token"), .type("password"), Attribute("required", nil),
                        Attribute("autocomplete", "current-password"),
                        Attribute("autofocus", nil), Attribute("spellcheck", "false"))
                }
                input(.name("next"), .type("hidden"), .value(next))
                p(.class("answer"), .role("alert")) { refusal ?? "" }
                p {
                    "An administrator makes one with "
                    code { "tandem token create" }
                    ". This browser keeps it in a cookie until you sign out or close it."
                }
                div(.class("buttons")) {
                    button(.type("submit"), .class("primary")) { "Sign in" }
                }
            }
        }
    }

    /// The button that ends a visit, which says whose it is.
    static func signOut(of visitor: Principal) -> HTML {
        form(Attribute("method", "post"), Attribute("action", Target.signOut.text)) {
            button(.type("submit"), .class("quiet"), .title("Signed in as \(visitor.name)")) {
                "Sign out"
            }
        }
    }
}
