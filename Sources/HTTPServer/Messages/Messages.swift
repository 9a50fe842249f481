public import HTTPTypes

/// A whole request, as it is given to a handler.
public struct ServerRequest: Sendable {
    /// The method.
    public var method: HTTPRequest.Method
    /// The path, raw: not percent-decoded; `*` if OPTIONS asks about the server as a whole.
    public var path: String
    /// The query without its question mark, raw; nil if there is none.
    public var query: String?
    /// The header fields, in order; `Host` is the target's own where that names a host.
    public var headerFields: HTTPFields
    /// The body; empty if there is none.
    public var body: [UInt8]
    /// The path's parameters, percent-decoded, by their names in the pattern.
    public var parameters: [String: String] = [:]

    /// Makes a request of its parts.
    public init(
        method: HTTPRequest.Method, path: String, query: String?, headerFields: HTTPFields,
        body: [UInt8]
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headerFields = headerFields
        self.body = body
    }
}

/// A whole response.
public struct ServerResponse: Sendable {
    /// The status.
    public var status: HTTPResponse.Status
    /// The header fields; `Date`, `Content-Length` and `Connection` are the server's own.
    public var headerFields: HTTPFields
    /// The body.
    public var body: [UInt8]

    /// Makes a response of its parts.
    public init(
        status: HTTPResponse.Status, headerFields: HTTPFields = [:], body: [UInt8] = []
    ) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }
}

/// Answers a request.
///
/// It runs to its end even if the client has gone.
public typealias Handler = @Sendable (ServerRequest) async -> ServerResponse

/// What the server has to answer by itself.
public enum ProtocolFailure: Error, Sendable, Hashable {
    /// The request's framing or syntax is broken or ambiguous.
    case badRequest(String)
    /// The body is larger than the limit, in bytes.
    case bodyTooLarge(limit: Int)
    /// The request target is longer than the limit, in bytes.
    case targetTooLong(limit: Int)
    /// The request line and the header fields are larger than the limit, in bytes.
    case headTooLarge(limit: Int)
    /// There are more header fields than the limit.
    case tooManyHeaders(limit: Int)
    /// The request expects something else than `100 Continue`.
    case expectationFailed
    /// The request needs a part of HTTP that is not there.
    case notImplemented(String)
    /// The rest of the request did not arrive in time.
    case requestTimedOut
    /// Nothing is at this path.
    case notFound
    /// This path knows other methods only.
    case methodNotAllowed(allowed: [String])
    /// The server is stopping and could not wait any longer.
    case stopping
}
