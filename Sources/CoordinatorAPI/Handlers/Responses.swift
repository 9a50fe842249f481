import CommitProtocol
import HTTPServer
import HTTPTypes
import TransactionEngine

extension ServerResponse {
    /// A response in a media type.
    init(_ status: HTTPResponse.Status, _ type: MediaType, body: [UInt8]) {
        self.init(status: status, headerFields: [.contentType: type.rawValue], body: body)
    }

    /// The response that a problem is.
    ///
    /// - Parameter stored: The body, if the problem was recorded; without one it is rendered.
    init(_ problem: Problem, stored: [UInt8]? = nil) {
        self.init(
            status: .init(code: problem.type.status), headerFields: problem.headerFields,
            body: stored ?? problem.render())
        headerFields[.contentType] = Problem.mediaType
        if let seconds = problem.retryAfterSeconds { headerFields[.retryAfter] = "\(seconds)" }
        if let location = problem.location { headerFields[.location] = location }
    }

    /// A transaction as the answer to what was done with it, with its place and version.
    init(_ status: HTTPResponse.Status, _ record: TransactionRecord) {
        self.init(status, .json, body: RecordRendering.json(record))
        headerFields[.eTag] = EntityTag(record.version, of: .json).text
        headerFields[.location] = "/v1/transactions/" + record.id.description
    }
}

extension Problem {
    /// The problem that the HTTP server found by itself.
    init(_ failure: ProtocolFailure) {
        switch failure {
        case .badRequest(let reason):
            self.init(.malformedHTTP, "The request is malformed: \(reason).")
        case .bodyTooLarge(let limit):
            self.init(.bodyTooLarge, "Expected a body of at most \(limit) bytes.")
        case .targetTooLong(let limit):
            self.init(.uriTooLong, "Expected a request target of at most \(limit) bytes.")
        case .headTooLarge(let limit):
            self.init(
                .headersTooLarge,
                "Expected at most \(limit) bytes of request target and header fields.")
        case .tooManyHeaders(let limit):
            self.init(.headersTooLarge, "Expected at most \(limit) header fields.")
        case .expectationFailed:
            self.init(.expectationFailed, "Expected 100-continue, the only supported expectation.")
        case .notImplemented(let reason):
            self.init(.notImplemented, "The request cannot be served: \(reason).")
        case .requestTimedOut:
            self.init(
                .requestTimeout,
                "The rest of the request did not arrive in time. Nothing was executed.")
        case .hostNotServed(let host):
            self.init(
                .hostNotServed,
                "The request is for the host \"\(host)\". Expected localhost or an address of "
                    + "loopback, where tandem listens, or a name in http.hosts of its configuration."
            )
        case .fromOtherSite:
            self.init(
                .otherSite,
                "A page of another site sent the request, as its Sec-Fetch-Site or Origin says. "
                    + "Expected a page of this server, or no browser.")
        case .notFound:
            self.init(.notFound, "No resource has this path; /openapi.yaml lists all.")
        case .methodNotAllowed(let allowed):
            self.init(
                .methodNotAllowed,
                "Expected one of the methods \(allowed.joined(separator: ", ")).")
        case .stopping:
            self.init(
                .outcomeUnknown,
                "This replica stopped before it had an answer. If it had accepted the request, "
                    + "recovery finishes the transaction: repeat the request with its "
                    + "Idempotency-Key, or look for it in GET /v1/transactions.")
        }
    }
}

extension FieldName {
    static let prefer = FieldName("Prefer")
    static let traceParent = FieldName("traceparent")
    static let preferenceApplied = FieldName("Preference-Applied")
    static let link = FieldName("Link")
    static let idempotencyKey = FieldName("Idempotency-Key")
    static let idempotencyReplayed = FieldName("Idempotency-Replayed")
}
