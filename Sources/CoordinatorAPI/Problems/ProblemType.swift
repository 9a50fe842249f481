/// Every kind of problem that a response can name; the raw value is the last part of its URI.
///
/// The `type` of a problem is the URI reference `/problems/<raw value>`, relative to the service's
/// root: it stays the same wherever the service is installed, and it is an identifier to compare,
/// not an address to open. The contract lists them all, with titles.
enum ProblemType: String, CaseIterable, Hashable, Sendable {
    // The request as HTTP.
    case malformedHTTP = "malformed-http"
    case requestTimeout = "request-timeout"
    case headersTooLarge = "headers-too-large"
    case uriTooLong = "uri-too-long"
    case bodyTooLarge = "body-too-large"
    case notFound = "not-found"
    case methodNotAllowed = "method-not-allowed"
    case notAcceptable = "not-acceptable"
    case unsupportedMediaType = "unsupported-media-type"
    case preconditionFailed = "precondition-failed"
    case preconditionRequired = "precondition-required"
    case expectationFailed = "expectation-failed"
    case notImplemented = "not-implemented"
    case hostNotServed = "host-not-served"
    case otherSite = "other-site"

    // Who sent the request.
    case authenticationRequired = "authentication-required"
    case invalidToken = "invalid-token"
    case forbidden

    // The request's content.
    case malformedJSON = "malformed-json"
    case invalidRequest = "invalid-request"
    case unknownParticipant = "unknown-participant"
    case statementNotAllowed = "statement-not-allowed"
    case tooManyBranches = "too-many-branches"
    case onePhaseNotPossible = "one-phase-not-possible"
    case idempotencyKeyInvalid = "idempotency-key-invalid"
    case idempotencyKeyReused = "idempotency-key-reused"
    case idempotencyKeyInProgress = "idempotency-key-in-progress"

    // Nothing was accepted: the same request may be sent again, with the same key; but with a new one if the
    // outcome of `state-database-unavailable` is `aborted`.
    case participantUnavailable = "participant-unavailable"
    case participantSlotsExhausted = "participant-slots-exhausted"
    case preparedTransactionsDisabled = "prepared-transactions-disabled"
    case participantBusy = "participant-busy"
    case overloaded
    case draining
    case stateDatabaseUnavailable = "state-database-unavailable"

    // The transaction was accepted and aborted, which is recorded under its key.
    case statementFailed = "statement-failed"
    case unexpectedRowCount = "unexpected-row-count"
    case cannotBePrepared = "cannot-be-prepared"
    case deferredConstraintFailed = "deferred-constraint-failed"
    case selfDeadlock = "self-deadlock"
    case deadlock
    case deadlineExceeded = "deadline-exceeded"
    case resultTooLarge = "result-too-large"
    case participantLost = "participant-lost"
    case rolledBackByRequest = "rolled-back-by-request"
    case aborted

    // The rest.
    case needsOperator = "needs-operator"
    case conflict
    case outcomeUnknown = "outcome-unknown"
}

/// What became of the transaction that a problem is about.
enum ProblemOutcome: String, CaseIterable, Hashable, Sendable {
    /// This request has no effect; an earlier one with its key may have.
    case notAccepted
    /// It is recorded as aborted: no branch takes effect.
    case aborted
    /// It may have been committed or aborted; its status says which as soon as that is known.
    case unknown
    /// It is decided, and some branch was finished otherwise, or nothing proves how.
    case needsOperator
}

extension ProblemType {
    /// The member `type`: a URI reference.
    var uri: String { "/problems/" + rawValue }

    /// The HTTP status that goes with it.
    var status: Int { facts.status }

    /// The member `title`: the same for every occurrence.
    var title: String { facts.title }

    /// What became of the transaction, where the type alone says so.
    var outcome: ProblemOutcome? { facts.outcome }

    /// Whether the same work may succeed later.
    ///
    /// With the outcome `aborted` it needs a new key, since the old one gives the recorded answer
    /// for ever. An unknown outcome is never retryable: the work may have been done.
    var isRetryable: Bool { facts.isRetryable }

    /// The `Retry-After` that goes with it unless a better one is known, in seconds.
    var retryAfterSeconds: Int? {
        switch status {
        case 503: self == .preparedTransactionsDisabled ? 60 : 1
        case 409 where self == .idempotencyKeyInProgress: 1
        default: nil
        }
    }

    /// What holds for every occurrence of a type.
    private struct Facts {
        let status: Int
        let title: String
        var outcome: ProblemOutcome?
        var isRetryable = false

        static func of(_ status: Int, _ title: String, isRetryable: Bool = false) -> Facts {
            Facts(status: status, title: title, isRetryable: isRetryable)
        }

        static func notAccepted(_ title: String, isRetryable: Bool = true) -> Facts {
            Facts(status: 503, title: title, outcome: .notAccepted, isRetryable: isRetryable)
        }

        static func aborted(_ title: String, isRetryable: Bool = false) -> Facts {
            Facts(status: 409, title: title, outcome: .aborted, isRetryable: isRetryable)
        }
    }

    private var facts: Facts {
        switch self {
        case .malformedHTTP: .of(400, "The request is not well-formed HTTP")
        case .requestTimeout: .of(408, "The request did not arrive in time", isRetryable: true)
        case .headersTooLarge: .of(431, "The request's header fields are too large")
        case .uriTooLong: .of(414, "The request's URI is too long")
        case .bodyTooLarge: .of(413, "The request's body is too large")
        case .notFound: .of(404, "The resource does not exist")
        case .methodNotAllowed: .of(405, "The resource does not support this method")
        case .notAcceptable: .of(406, "The resource has no media type that Accept allows")
        case .unsupportedMediaType: .of(415, "The body's media type or coding is not supported")
        case .preconditionFailed: .of(412, "The condition in If-Match does not hold")
        case .preconditionRequired: .of(428, "The request needs an If-Match header")
        case .expectationFailed: .of(417, "The expectation in Expect is not supported")
        case .notImplemented: .of(501, "The request uses a part of HTTP that is not supported")
        case .hostNotServed: .of(421, "The request is for a host that is not served here")
        case .otherSite: .of(403, "The request comes from a page of another site")
        case .authenticationRequired: .of(401, "The request has no token")
        case .invalidToken: .of(401, "The token is not valid")
        case .forbidden: .of(403, "The caller may not do this")
        case .malformedJSON: .of(400, "The body is not valid JSON")
        case .invalidRequest: .of(400, "The request does not match the API contract")
        case .unknownParticipant: .of(422, "No participant has this name")
        case .statementNotAllowed: .of(422, "A statement is not allowed in a branch")
        case .tooManyBranches: .of(422, "More branches name a participant than it has sessions")
        case .onePhaseNotPossible: .of(422, "onePhase needs exactly one branch that writes")
        case .idempotencyKeyInvalid: .of(400, "The Idempotency-Key is not well-formed")
        case .idempotencyKeyReused: .of(422, "The Idempotency-Key belongs to another request")
        case .idempotencyKeyInProgress:
            .of(
                409, "The first request with this key has no outcome to report yet",
                isRetryable: true)
        case .participantUnavailable: .notAccepted("A participant cannot be reached")
        case .participantSlotsExhausted:
            .notAccepted("A participant has no free slot for a prepared transaction")
        case .preparedTransactionsDisabled:
            .notAccepted("A participant does not allow prepared transactions", isRetryable: false)
        case .participantBusy: .notAccepted("Every session of a participant is busy")
        case .overloaded: .notAccepted("This replica already has as much work as it accepts")
        case .draining: .notAccepted("This replica is shutting down")
        case .stateDatabaseUnavailable: .notAccepted("The state database is unavailable")
        case .statementFailed: .aborted("A statement failed, and the transaction was aborted")
        case .unexpectedRowCount:
            .aborted("A statement affected or returned an unexpected number of rows")
        case .cannotBePrepared: .aborted("The work of a branch cannot be prepared")
        case .deferredConstraintFailed:
            .aborted("A deferred constraint or trigger failed at the end of a branch")
        case .deadlock: .aborted("The transaction lost a deadlock", isRetryable: true)
        case .selfDeadlock: .aborted("Two branches of the transaction block each other")
        case .deadlineExceeded:
            .aborted("The deadline passed before the decision", isRetryable: true)
        case .resultTooLarge: .aborted("The results are larger than the limit")
        case .participantLost:
            .aborted("The connection to a participant was lost during the work", isRetryable: true)
        case .rolledBackByRequest: .aborted("The transaction was rolled back on request")
        case .aborted: .aborted("The transaction was aborted")
        case .needsOperator:
            Facts(
                status: 409,
                title: "A branch was not finished as decided, or nothing proves that it was",
                outcome: .needsOperator)
        case .conflict: .of(409, "The transaction's state does not allow this")
        case .outcomeUnknown:
            Facts(status: 503, title: "The outcome is not known", outcome: .unknown)
        }
    }
}
