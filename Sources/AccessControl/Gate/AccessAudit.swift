import EventLoop

/// Receives what an auditor has to know.
package protocol AccessAudit: Sendable {
    /// A request was refused for who sent it.
    ///
    /// Anybody can cause that as often as they like.
    @LoopActor
    func refused(_ denial: AccessDenial, of request: AuditedRequest)

    /// An operator did something; returns when that is recorded, or cannot be.
    func acted(_ entry: AuditEntry) async
}

/// A request, as far as an auditor has to know it.
package struct AuditedRequest: Sendable, Hashable {
    /// The method and the path; no query, which may hold a key.
    package let subject: String
    /// Where it came from.
    package let address: String

    package init(subject: String, address: String) {
        self.subject = subject
        self.address = address
    }
}

/// One thing that an operator did, and what became of it.
package struct AuditEntry: Sendable, Hashable {
    /// What operators do.
    package enum Action: String, Sendable, CaseIterable {
        case rollback, retry, resolution
    }

    /// The principal of the token.
    package let actor: String
    package let action: Action
    /// The transaction, and for a resolution its branch after a slash.
    package let subject: String
    /// What the operator stated.
    package let reason: String?
    /// Where the request came from.
    package let address: String
    /// `done`, `accepted` (it goes on), or the type of the problem that was answered.
    package let outcome: String

    package init(
        actor: String, action: Action, subject: String, reason: String?, address: String,
        outcome: String
    ) {
        self.actor = actor
        self.action = action
        self.subject = subject
        self.reason = reason
        self.address = address
        self.outcome = outcome
    }
}
