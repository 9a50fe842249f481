/// One that sends requests: a service, an operator, or all callers where nobody is asked who they are.
package struct Principal: Sendable, Hashable {
    /// The name, which is recorded with each transaction.
    package let name: String
    /// What it may do.
    package let scopes: Scopes
    /// The participants that its transactions may use.
    private let participants: AllowedParticipants

    /// Makes a principal.
    package init(name: String, scopes: Scopes, participants: AllowedParticipants) {
        self.name = name
        self.scopes = scopes
        self.participants = participants
    }

    /// All callers of a replica that asks nobody who they are: each may do everything.
    package static let anonymous = Principal(
        name: "anonymous", scopes: .all, participants: .all)

    /// The names that no file may give to a principal.
    ///
    /// Transactions have them that began without one: those from before there was an access file, and
    /// those of programs with the library. They are for operators to see.
    package static let reservedNames: Set = ["anonymous", "library"]

    /// Whether it has a scope.
    package func may(_ scope: Scope) -> Bool { scopes.contains(scope) }

    /// Whether its transactions may use a participant.
    package func mayUse(_ participant: String) -> Bool { participants.contains(participant) }

    /// The principal whose transactions it sees: itself, or nil for an operator, who sees all.
    package var seenOwner: String? { may(.operate) ? nil : name }

    /// The principal with no more scopes than these.
    package func limited(to scopes: Scopes) -> Principal {
        Principal(
            name: name,
            scopes: Scopes(self.scopes.elements.filter(scopes.contains)),
            participants: participants)
    }
}

/// The participants that a principal's transactions may use.
package enum AllowedParticipants: Sendable, Hashable {
    /// Every participant that is configured.
    case all
    /// These alone.
    case only(Set<String>)

    func contains(_ name: String) -> Bool {
        switch self {
        case .all: true
        case .only(let names): names.contains(name)
        }
    }
}
