/// Why a request is refused before anything is done for it.
package enum AccessDenial: Error, Sendable, Hashable {
    /// It shows no token.
    case tokenMissing
    /// What it shows is no token.
    case tokenMalformed
    /// Nobody has its token, or nobody has it any more.
    case tokenUnknown
    /// Its token has ended.
    case tokenExpired(principal: String)
    /// The principal has none of these scopes, each of which would do.
    case scopeMissing([Scope], principal: String)
    /// The principal may not use this participant, which a branch names.
    case participantNotAllowed(String, branch: Int, principal: String)

    /// Whether it is unknown who the caller is.
    package var isOfUnknownCaller: Bool {
        switch self {
        case .tokenMissing, .tokenMalformed, .tokenUnknown, .tokenExpired: true
        case .scopeMissing, .participantNotAllowed: false
        }
    }

    /// One word for it, for logs and metrics.
    package var reason: String {
        switch self {
        case .tokenMissing: "token_missing"
        case .tokenMalformed: "token_malformed"
        case .tokenUnknown: "token_unknown"
        case .tokenExpired: "token_expired"
        case .scopeMissing: "scope_missing"
        case .participantNotAllowed: "participant_not_allowed"
        }
    }

    /// Every word that `reason` may be.
    package static let reasons = [
        "token_missing", "token_malformed", "token_unknown", "token_expired", "scope_missing",
        "participant_not_allowed",
    ]
}
