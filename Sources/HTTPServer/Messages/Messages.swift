package import EventLoop
package import HTTPTypes

/// A whole request, as a handler gets it.
package struct ServerRequest: Sendable {
    /// The method.
    package var method: HTTPRequest.Method
    /// The path, raw: not percent-decoded; `*` if OPTIONS asks about the server as a whole.
    package var path: String
    /// The query without its question mark, raw; nil if there is none.
    package var query: String?
    /// The header fields.
    package var headerFields: RequestFields
    /// The body; empty if there is none.
    package var body: [UInt8]
    /// The address of the other end of the connection: the client's, or a proxy's.
    package var peer: PeerAddress?
    /// The path's parameters, percent-decoded, by their names in the pattern.
    package var parameters: [String: String] = [:]

    package init(
        method: HTTPRequest.Method, path: String, query: String?,
        headerFields: RequestFields, body: [UInt8]
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headerFields = headerFields
        self.body = body
    }
}

/// A response, whole unless it has a stream.
package struct ServerResponse: Sendable {
    /// The status.
    package var status: HTTPResponse.Status
    /// The header fields; the server adds `Date`, `Content-Length` and `Connection`.
    package var headerFields: ResponseFields
    /// The body; empty if there is a stream.
    package var body: [UInt8]
    /// The body of a response that goes on, in place of `body`.
    package var stream: ResponseStream?

    package init(
        status: HTTPResponse.Status, headerFields: ResponseFields = [:], body: [UInt8] = []
    ) {
        self.status = status
        self.headerFields = headerFields
        self.body = body
    }
}

/// Takes the answer to a request.
package typealias Answer = @LoopActor (ServerResponse) -> Void

/// Answers a request: it calls `answer` once, on the loop, and may do so before it returns.
///
/// It needs no task, so a request whose answer waits for events alone costs none. It goes on to its
/// answer even if the client disconnects.
package typealias Handler =
    @LoopActor (_ request: ServerRequest, _ answer: @escaping Answer) -> Void

/// Answers a request, and may suspend meanwhile.
package typealias SuspendingHandler = @Sendable (ServerRequest) async -> ServerResponse

extension EventLoop {
    /// Makes a handler of one that may suspend: each request gets a task on this loop.
    package func handler(_ body: @escaping SuspendingHandler) -> Handler {
        { [self] request, answer in
            spawn { await answer(body(request)) }
        }
    }
}

/// A failure that the server answers without a handler.
package enum ProtocolFailure: Error, Sendable, Hashable {
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
    /// The request has an expectation other than `100-continue`.
    case expectationFailed
    /// The request needs a part of HTTP that is not implemented.
    case notImplemented(String)
    /// The rest of the request did not arrive in time.
    case requestTimedOut
    /// The request is for a host that is none of this server's.
    case hostNotServed(String)
    /// The request would change something, and comes from a page of another site.
    case fromOtherSite
    /// Nothing is at this path.
    case notFound
    /// This path supports other methods only.
    case methodNotAllowed(allowed: [String])
    /// The server stops, and its time to drain is over.
    case stopping
}
