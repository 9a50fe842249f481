import CommitProtocol
import HTTPServer
import TransactionEngine

/// The answer to a request that could not be served, as RFC 9457 lays it out.
///
/// It is an error, so that code that reads a request can throw its answer.
struct Problem: Error, Hashable, Sendable {
    /// The media type that it is sent as.
    static let mediaType = "application/problem+json"

    /// Which problem it is.
    let type: ProblemType
    /// What happened this time, what it means, and what to do next; without parameter values or
    /// secrets.
    var detail: String

    /// The transaction's id.
    var transaction: String?
    /// The branch, counted from 0.
    var branch: Int?
    /// The participant's name.
    var participant: String?
    /// The statement in its branch, counted from 0.
    var statement: Int?
    /// What PostgreSQL reported, if it did.
    var postgres: PostgresFailure?
    /// Whether the same work may succeed later; see ``ProblemType/isRetryable``.
    var isRetryable: Bool
    /// What became of the transaction.
    var outcome: ProblemOutcome?
    /// The waits of the deadlock that the transaction lost, from its own on.
    var cycle: [LockWaitReport] = []
    /// The JSON Pointer of the part of the body that the problem is about.
    var pointer: String?
    /// Everything that is wrong with the request, for the type `invalid-request`.
    var issues: [RequestIssue] = []
    /// The `Retry-After` to send, in seconds: a header field, no member.
    var retryAfterSeconds: Int?
    /// What else to send with it: header fields, no members.
    var headerFields: ResponseFields = [:]

    /// Makes a problem with its type's outcome and retryability.
    ///
    /// What PostgreSQL reported, if it did, can make the work retryable too.
    init(
        _ type: ProblemType, _ detail: String, transaction: GlobalTransactionID? = nil,
        postgres: PostgresFailure? = nil
    ) {
        self.type = type
        self.detail = detail
        self.transaction = transaction?.description
        self.postgres = postgres
        outcome = type.outcome
        isRetryable = type.isRetryable || postgres?.isRetryable ?? false
        retryAfterSeconds = type.retryAfterSeconds
    }

    /// The problem of a body that is no JSON.
    init(_ error: JSONReadError) {
        self.init(.malformedJSON, error.description)
        pointer = error.pointer
    }

    /// The problem of a request that does not match the contract.
    ///
    /// - Parameter issues: Everything that is wrong with it, at least one.
    init(_ issues: [RequestIssue]) {
        precondition(!issues.isEmpty, "a request without issues is valid")
        let count = issues.count == 1 ? "1 error" : "\(issues.count) errors"
        self.init(.invalidRequest, "\(count) in the request: \(issues[0].detail)")
        self.issues = issues
    }

    /// The value of the `Location` field: the transaction's status resource.
    var location: String? {
        transaction.map { "/v1/transactions/" + $0 }
    }

    /// The body of the answer.
    func render() -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("type", type.uri)
            writer.member("title", type.title)
            writer.member("status", type.status)
            writer.member("detail", detail)
            writer.member("instance", location)
            writer.member("transaction", transaction)
            writer.member("branch", branch)
            writer.member("participant", participant)
            writer.member("statement", statement)
            writer.member("sqlstate", postgres?.sqlState)
            writer.member("retryable", isRetryable)
            writer.member("outcome", outcome?.rawValue)
            writer.member("pointer", pointer)
            if !issues.isEmpty {
                writer.name("errors")
                writer.array(issues) { $0.write(to: &$1) }
            }
            if let postgres {
                writer.name("postgres")
                postgres.write(to: &writer)
            }
            if !cycle.isEmpty {
                writer.name("cycle")
                writer.array(cycle) { $0.write(to: &$1) }
            }
        }
        return writer.bytes
    }
}
