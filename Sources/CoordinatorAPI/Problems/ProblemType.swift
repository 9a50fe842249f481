/// Every kind of problem that an answer can name; the raw value is its slug.
///
/// The `type` of a problem is the URI reference `/problems/<slug>`, relative to the service's root:
/// it stays the same wherever the service is installed, and it is an identifier to compare, not an
/// address to open. The contract lists them all, with titles; slugs are never renamed.
enum ProblemType: String, CaseIterable, Hashable, Sendable {
    // The request as HTTP.
    case badHTTP = "bad-http"
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

    // The request's content.
    case malformedJSON = "malformed-json"
    case invalidRequest = "invalid-request"
    case unknownParticipant = "unknown-participant"
    case unacceptableSQL = "unacceptable-sql"
    case tooManyBranches = "too-many-branches"
    case notOnePhase = "not-one-phase"
    case idempotencyKeyInvalid = "idempotency-key-invalid"
    case idempotencyKeyReused = "idempotency-key-reused"
    case idempotencyKeyInProgress = "idempotency-key-in-progress"

    // Nothing was accepted: the same request may be sent again, with the same key.
    case participantUnavailable = "participant-unavailable"
    case participantSlotsExhausted = "participant-slots-exhausted"
    case preparedTransactionsDisabled = "prepared-transactions-disabled"
    case participantBusy = "participant-busy"
    case overloaded
    case draining
    case stateDatabaseUnavailable = "state-database-unavailable"

    // The transaction was accepted and aborted, which is recorded under its key.
    case statementFailed = "statement-failed"
    case rowsUnexpected = "rows-unexpected"
    case cannotBePrepared = "cannot-be-prepared"
    case constraintAtPrepare = "constraint-at-prepare"
    case blockedByItself = "blocked-by-itself"
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

extension ProblemType {
    /// What every `type` starts with.
    static let base = "/problems/"

    /// The member `type`: a URI reference.
    var uri: String { Self.base + rawValue }

    /// The status that goes with it; a few problems of framing are answered with another.
    var status: Int {
        switch self {
        case .badHTTP, .malformedJSON, .invalidRequest, .idempotencyKeyInvalid: 400
        case .notFound: 404
        case .methodNotAllowed: 405
        case .notAcceptable: 406
        case .requestTimeout: 408
        case .idempotencyKeyInProgress, .needsOperator, .conflict: 409
        case .statementFailed, .rowsUnexpected, .cannotBePrepared, .constraintAtPrepare,
            .blockedByItself, .deadlineExceeded, .resultTooLarge, .participantLost,
            .rolledBackByRequest, .aborted:
            409
        case .preconditionFailed: 412
        case .bodyTooLarge: 413
        case .uriTooLong: 414
        case .unsupportedMediaType: 415
        case .unknownParticipant, .unacceptableSQL, .tooManyBranches, .notOnePhase,
            .idempotencyKeyReused:
            422
        case .expectationFailed: 417
        case .preconditionRequired: 428
        case .headersTooLarge: 431
        case .notImplemented: 501
        case .participantUnavailable, .participantSlotsExhausted, .preparedTransactionsDisabled,
            .participantBusy, .overloaded, .draining, .stateDatabaseUnavailable, .outcomeUnknown:
            503
        }
    }

    /// The member `title`: the same for every occurrence.
    var title: String {
        switch self {
        case .badHTTP: "The request is not well-formed HTTP"
        case .requestTimeout: "The request did not arrive in time"
        case .headersTooLarge: "The request's header fields are too large"
        case .uriTooLong: "The request's target is too long"
        case .bodyTooLarge: "The request's body is too large"
        case .notFound: "There is no such resource"
        case .methodNotAllowed: "The resource does not offer this method"
        case .notAcceptable: "None of the accepted media types is offered"
        case .unsupportedMediaType: "The body's media type or coding is not supported"
        case .preconditionFailed: "The condition of the request does not hold"
        case .preconditionRequired: "The request has to be conditional"
        case .expectationFailed: "What the request expects is not offered"
        case .notImplemented: "The service does not have this part of HTTP"
        case .malformedJSON: "The body is not JSON"
        case .invalidRequest: "The request does not follow the contract"
        case .unknownParticipant: "There is no participant of that name"
        case .unacceptableSQL: "A statement cannot be part of a branch"
        case .tooManyBranches: "More branches name a participant than it has sessions"
        case .notOnePhase: "One phase is for exactly one branch that writes"
        case .idempotencyKeyInvalid: "The Idempotency-Key is not well-formed"
        case .idempotencyKeyReused: "The Idempotency-Key was used for another request"
        case .idempotencyKeyInProgress: "The first request with this key is still running"
        case .participantUnavailable: "A participant cannot be reached"
        case .participantSlotsExhausted: "A participant has no slot for a prepared transaction"
        case .preparedTransactionsDisabled: "A participant has prepared transactions disabled"
        case .participantBusy: "Every session of a participant is busy"
        case .overloaded: "The service has more work than it accepts"
        case .draining: "This replica is shutting down"
        case .stateDatabaseUnavailable: "The state database cannot serve the request"
        case .statementFailed: "A statement failed and the transaction was aborted"
        case .rowsUnexpected: "A statement met another number of rows than expected"
        case .cannotBePrepared: "A branch did something that cannot be prepared"
        case .constraintAtPrepare: "A deferred constraint or trigger failed at the end of a branch"
        case .blockedByItself: "Two branches of the transaction block each other"
        case .deadlineExceeded: "The deadline passed before the decision"
        case .resultTooLarge: "The results are larger than the limit"
        case .participantLost: "The connection to a participant was lost during the work"
        case .rolledBackByRequest: "The transaction was rolled back on request"
        case .aborted: "The transaction was aborted"
        case .needsOperator: "A branch did not end as decided, and an operator has to look"
        case .conflict: "The transaction's state does not allow this"
        case .outcomeUnknown: "The outcome is not known yet"
        }
    }

    /// What became of the transaction, where the type alone tells it.
    var outcome: ProblemOutcome? {
        switch self {
        case .participantUnavailable, .participantSlotsExhausted, .preparedTransactionsDisabled,
            .participantBusy, .overloaded, .draining, .stateDatabaseUnavailable:
            .notAccepted
        case .statementFailed, .rowsUnexpected, .cannotBePrepared, .constraintAtPrepare,
            .blockedByItself, .deadlineExceeded, .resultTooLarge, .participantLost,
            .rolledBackByRequest, .aborted:
            .aborted
        case .outcomeUnknown: .unknown
        case .needsOperator: .needsOperator
        case .badHTTP, .requestTimeout, .headersTooLarge, .uriTooLong, .bodyTooLarge, .notFound,
            .methodNotAllowed, .notAcceptable, .unsupportedMediaType, .preconditionFailed,
            .preconditionRequired, .expectationFailed, .notImplemented, .malformedJSON,
            .invalidRequest, .unknownParticipant, .unacceptableSQL, .tooManyBranches, .notOnePhase,
            .idempotencyKeyInvalid, .idempotencyKeyReused, .idempotencyKeyInProgress, .conflict:
            nil
        }
    }

    /// Whether the same work may succeed later.
    ///
    /// With the outcome `aborted` it takes a new key, since the old one gives the recorded answer
    /// for ever. An unknown outcome is never retryable: the work may have been done.
    var isRetryable: Bool {
        switch self {
        case .requestTimeout, .idempotencyKeyInProgress, .participantUnavailable,
            .participantSlotsExhausted, .participantBusy, .overloaded, .draining,
            .stateDatabaseUnavailable, .deadlineExceeded, .participantLost:
            true
        case .badHTTP, .headersTooLarge, .uriTooLong, .bodyTooLarge, .notFound, .methodNotAllowed,
            .notAcceptable, .unsupportedMediaType, .preconditionFailed, .preconditionRequired,
            .expectationFailed, .notImplemented, .malformedJSON, .invalidRequest,
            .unknownParticipant, .unacceptableSQL, .tooManyBranches, .notOnePhase,
            .idempotencyKeyInvalid, .idempotencyKeyReused, .preparedTransactionsDisabled,
            .statementFailed, .rowsUnexpected, .cannotBePrepared, .constraintAtPrepare,
            .blockedByItself, .resultTooLarge, .rolledBackByRequest, .aborted, .needsOperator,
            .conflict, .outcomeUnknown:
            false
        }
    }

    /// The `Retry-After` that goes with it unless a better one is known, in seconds.
    var retryAfterSeconds: Int? {
        switch status {
        case 503: self == .preparedTransactionsDisabled ? 60 : 1
        case 409 where self == .idempotencyKeyInProgress: 1
        default: nil
        }
    }
}

/// What became of the transaction that a problem is about.
enum ProblemOutcome: String, CaseIterable, Hashable, Sendable {
    /// Nothing was accepted, nothing was executed, and the key is unused.
    case notAccepted
    /// It is recorded as aborted: no branch takes effect.
    case aborted
    /// It may have been committed or aborted; the status resource tells as soon as it is known.
    case unknown
    /// Decided, and some branch has ended otherwise, or nothing proves how it ended.
    case needsOperator
}
