import HTTPTypes

/// The answer to a request that could not be served, as RFC 9457 lays it out.
///
/// It is an error, so that whatever reads a request can throw it as its answer.
struct Problem: Error, Hashable, Sendable {
    /// The media type that it is sent as.
    static let mediaType = "application/problem+json"

    /// Which problem it is.
    var type: ProblemType
    /// The HTTP status.
    var status: Int
    /// What happened this time: a sentence for people, without parameter values or secrets.
    var detail: String
    /// The URI reference of this occurrence; without one, that of the transaction.
    var instance: String?

    /// The transaction's id.
    var transaction: String?
    /// The branch, counted from 0.
    var branch: Int?
    /// The participant's name.
    var participant: String?
    /// The statement in its branch, counted from 0.
    var statement: Int?
    /// What PostgreSQL said, if it said something.
    var postgres: PostgresFailure?
    /// Whether the same work may succeed later; see ``ProblemType/isRetryable``.
    var isRetryable: Bool
    /// What became of the transaction.
    var outcome: ProblemOutcome?
    /// The JSON Pointer of the part of the body that the problem is about.
    var pointer: String?
    /// Everything that is wrong with the request, for the type `invalid-request`.
    var issues: [RequestIssue] = []
    /// The `Retry-After` to send, in seconds: a header field, no member.
    var retryAfterSeconds: Int?
    /// What else to send with it: header fields, no members.
    var headerFields: HTTPFields = [:]

    /// Makes a problem with what its type says of status, outcome and retrying.
    init(_ type: ProblemType, _ detail: String) {
        self.type = type
        self.detail = detail
        status = type.status
        outcome = type.outcome
        isRetryable = type.isRetryable
        retryAfterSeconds = type.retryAfterSeconds
    }

    /// The problem of a body that is no JSON.
    init(_ error: JSONReadError) {
        self.init(.malformedJSON, error.description)
        pointer = error.pointer
    }

    /// The problem of a request that does not follow the contract.
    ///
    /// - Parameter issues: Everything that is wrong with it, at least one.
    init(_ issues: [RequestIssue]) {
        precondition(!issues.isEmpty, "a request without issues is valid")
        let count = issues.count == 1 ? "1 thing is" : "\(issues.count) things are"
        self.init(.invalidRequest, "\(count) wrong with the request: \(issues[0].detail)")
        self.issues = issues
    }

    /// The problem of a statement that PostgreSQL refused.
    ///
    /// Its SQLSTATE decides whether the same work may succeed later.
    init(_ type: ProblemType, _ detail: String, postgres: PostgresFailure) {
        self.init(type, detail)
        self.postgres = postgres
        isRetryable = isRetryable || postgres.isRetryable
    }

    /// The value of the `Location` field: the transaction's status resource.
    var location: String? {
        transaction.map { "/v1/transactions/" + $0 }
    }
}
