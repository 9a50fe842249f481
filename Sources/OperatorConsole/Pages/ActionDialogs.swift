import CommitProtocol
import TransactionEngine

/// The forms that ask before an action is sent to the interface.
///
/// They stand outside what is brought up to date, so that no update takes what was typed. Nothing is
/// sent without the page's script: a form of another site could be sent as well.
struct ActionDialogs {
    let record: TransactionRecord

    @HTMLBuilder var html: HTML {
        dialog(.id("rollback-dialog"), .labelled(by: "rollback-title")) {
            form(.class("ask"), Attribute("method", "dialog"), .id("rollback-form")) {
                h2(.id("rollback-title")) { "Roll back transaction \(record.id.number)?" }
                p {
                    "No branch takes effect, and the caller is answered that it was rolled back on "
                    "request. If the decision to commit comes first, nothing is rolled back and the "
                    "answer says so."
                }
                outcome
                buttons("Roll back", isDangerous: true)
            }
        }
        dialog(.id("resolve-dialog"), .labelled(by: "resolve-title")) {
            form(.class("ask"), Attribute("method", "dialog"), .id("resolve-form")) {
                h2(.id("resolve-title")) {
                    "Resolve branch "
                    span(Attribute("data-fill", "branch")) {}
                    " in "
                    span(Attribute("data-fill", "participant")) {}
                }
                p {
                    "Record what you found in the database. tandem believes it, keeps it for ever "
                    "with your name, and changes no data there that has already ended. Where nothing is decided "
                    "it is an order for every branch of the transaction."
                }
                fieldset {
                    legend { "The branch" }
                    choice("committed", "was committed, or is to be")
                    choice("rolledBack", "was rolled back, or is to be")
                }
                label {
                    "Your name"
                    input(
                        .name("actor"), .type("text"), Attribute("required", nil),
                        Attribute("maxlength", "200"), Attribute("autocomplete", "username"))
                }
                label {
                    "What you found, and where"
                    textarea(
                        .name("reason"), Attribute("required", nil), Attribute("rows", "3"),
                        Attribute("maxlength", "2000")
                    ) {}
                }
                label(.class("check-line")) {
                    input(.name("force"), .type("checkbox"))
                    span {
                        "Record it even if it contradicts the decision or a proof, or cannot be checked"
                    }
                }
                label {
                    span {
                        "To confirm, type the transaction's number, "
                        strong { "\(record.id.number)" }
                    }
                    input(
                        .name("number"), .type("text"), Attribute("required", nil),
                        Attribute("inputmode", "numeric"), Attribute("autocomplete", "off"),
                        Attribute("pattern", "\(record.id.number)"))
                }
                outcome
                buttons("Record the resolution", isDangerous: true)
            }
        }
    }

    private func choice(_ value: String, _ meaning: String) -> HTML {
        label(.class("check-line")) {
            input(
                .name("outcome"), .type("radio"), .value(value), Attribute("required", nil))
            span { meaning }
        }
    }

    /// Where the script writes what was answered.
    private var outcome: HTML { p(.class("answer"), .role("alert")) {} }

    private func buttons(_ action: String, isDangerous: Bool) -> HTML {
        div(.class("buttons")) {
            button(.type("button"), .class("quiet"), Attribute("data-close", nil)) { "Cancel" }
            button(.type("submit"), .class(isDangerous ? "danger" : "primary")) { action }
        }
    }
}
