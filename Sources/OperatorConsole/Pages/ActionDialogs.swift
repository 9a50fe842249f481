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
                ActionForm.answer
                ActionForm.buttons("Roll back")
            }
        }
        ResolveDialog(
            explanation:
                "Record what you found in the database. tandem believes it, keeps it for ever with "
                + "your name, and changes no data there that has already ended. Where nothing is "
                + "decided it is an order for every branch of the transaction.",
            committed: "was committed, or is to be", rolledBack: "was rolled back, or is to be"
        ).html
    }
}

/// The form for an operator's word about a branch; the page's script fills in which one it is.
struct ResolveDialog {
    /// What becomes of the word.
    let explanation: String
    /// What the two outcomes mean.
    let committed: String
    let rolledBack: String

    /// The form for prepared transactions that no row records.
    static let rowless = ResolveDialog(
        explanation:
            "Nothing records this transaction, so find out first how its other branches were finished. "
            + "Your word is an order: tandem records it for ever with your name, and finishes by it "
            + "all that this transaction has prepared and participants list as left to an operator.",
        committed: "is to be committed", rolledBack: "is to be rolled back")

    var html: HTML {
        dialog(.id("resolve-dialog"), .labelled(by: "resolve-title")) {
            form(.class("ask"), Attribute("method", "dialog"), .id("resolve-form")) {
                h2(.id("resolve-title")) {
                    "Resolve branch "
                    fill("branch")
                    " in "
                    fill("participant")
                }
                p { explanation }
                fieldset {
                    legend { "The branch" }
                    choice("committed", committed)
                    choice("rolledBack", rolledBack)
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
                        strong { fill("number") }
                    }
                    input(
                        .name("number"), .type("text"), Attribute("required", nil),
                        Attribute("inputmode", "numeric"), Attribute("autocomplete", "off"))
                }
                ActionForm.answer
                ActionForm.buttons("Record the resolution")
            }
        }
    }

    /// Where the script writes a value of the button that opened the form.
    private func fill(_ name: String) -> HTML { span(Attribute("data-fill", name)) {} }

    private func choice(_ value: String, _ meaning: String) -> HTML {
        label(.class("check-line")) {
            input(
                .name("outcome"), .type("radio"), .value(value), Attribute("required", nil))
            span { meaning }
        }
    }
}

/// What the forms have in common.
private enum ActionForm {
    /// Where the script writes what was answered.
    static let answer = p(.class("answer"), .role("alert")) {}

    static func buttons(_ action: String) -> HTML {
        div(.class("buttons")) {
            button(.type("button"), .class("quiet"), Attribute("data-close", nil)) { "Cancel" }
            button(.type("submit"), .class("danger")) { action }
        }
    }
}
