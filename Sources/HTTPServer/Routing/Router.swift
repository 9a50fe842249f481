package import EventLoop
package import HTTPTypes

/// Finds the handler of a request by method and path.
package struct Router: Sendable {
    private struct Route: Sendable {
        let method: HTTPRequest.Method
        /// The path itself, if it has no parameters.
        let path: String?
        let segments: [Substring]
        let handler: Handler
    }

    private var table: [Route] = []
    private let loop: EventLoop
    private let renderFailure: @Sendable (ProtocolFailure) -> ServerResponse
    private let makeObserver: MakeRouteObserver?
    /// Observes what belongs to no route.
    private let otherObserver: (any RouteObserver)?
    private var unknownPath: @Sendable (ServerRequest) -> ServerResponse? = { _ in nil }

    /// Makes a router for a server on this loop, which renders what it cannot route with this function.
    package init(
        loop: EventLoop, makeObserver: MakeRouteObserver? = nil,
        renderFailure: @escaping @Sendable (ProtocolFailure) -> ServerResponse
    ) {
        self.loop = loop
        self.renderFailure = renderFailure
        self.makeObserver = makeObserver
        otherObserver = makeObserver?(nil, nil)
    }

    /// Adds a route.
    ///
    /// A pattern's `{name}` matches one segment that is not empty.
    package mutating func on(
        _ method: HTTPRequest.Method, _ pattern: String, handler: @escaping Handler
    ) {
        table.append(
            Route(
                method: method, path: pattern.utf8.contains(UInt8(ascii: "{")) ? nil : pattern,
                segments: Self.segments(pattern),
                handler: makeObserver.map { Self.observed(handler, loop, $0(method, pattern)) }
                    ?? handler))
    }

    /// The handler, with its answers observed.
    private static func observed(
        _ handler: @escaping Handler, _ loop: EventLoop, _ observer: any RouteObserver
    ) -> Handler {
        { request, answer in
            let start = loop.now
            handler(request) { response in
                observer.answered(response.status, after: start.duration(to: loop.now))
                answer(response)
            }
        }
    }

    /// Adds a route whose handler may suspend.
    package mutating func on(
        _ method: HTTPRequest.Method, _ pattern: String,
        suspending handler: @escaping SuspendingHandler
    ) {
        on(method, pattern, handler: loop.handler(handler))
    }

    /// Sets what answers requests whose path no route has; where it gives nil, the failure is rendered.
    package mutating func onUnknownPath(
        _ answer: @escaping @Sendable (ServerRequest) -> ServerResponse?
    ) {
        unknownPath = answer
    }

    /// Answers a request: the handler's answer, or 404, or 405 with `Allow`.
    ///
    /// HEAD is served as GET, without the body; OPTIONS gets `Allow`, which for `*` lists all methods.
    @LoopActor
    package func handle(_ request: ServerRequest, _ answer: @escaping Answer) {
        // The path that most requests have needs no taking apart.
        if let route = table.first(where: {
            $0.path == request.path && $0.method == request.method
        }) {
            return route.handler(request, answer)
        }
        if let response = route(request, answer) {
            otherObserver?.answered(response.status, after: .zero)
            answer(response)
        }
    }

    /// Hands the request to the handler of the path's segments, or returns why there is none.
    @LoopActor
    private func route(_ request: ServerRequest, _ answer: @escaping Answer) -> ServerResponse? {
        if request.path == "*" { return Self.options(Self.allowed(table.map(\.method))) }
        let segments = Self.segments(request.path)
        let method = request.method == .head ? .get : request.method
        var offered: [HTTPRequest.Method] = []
        for route in table {
            guard let parameters = Self.match(route.segments, segments) else { continue }
            guard route.method == method else {
                offered.append(route.method)
                continue
            }
            guard let decoded = Self.decode(parameters) else {
                return renderFailure(.badRequest("expected valid percent-encoding in the path"))
            }
            var request = request
            request.parameters = decoded
            route.handler(request, answer)
            return nil
        }
        guard !offered.isEmpty else { return unknownPath(request) ?? renderFailure(.notFound) }
        let allowed = Self.allowed(offered)
        if request.method == .options { return Self.options(allowed) }
        var response = renderFailure(.methodNotAllowed(allowed: allowed))
        response.headerFields[.allow] = allowed.joined(separator: ", ")
        return response
    }

    /// The methods that work where these have handlers.
    private static func allowed(_ offered: [HTTPRequest.Method]) -> [String] {
        var names = Set(offered.map(\.rawValue))
        if names.contains("GET") { names.insert("HEAD") }
        names.insert("OPTIONS")
        return names.sorted()
    }

    private static func options(_ allowed: [String]) -> ServerResponse {
        ServerResponse(
            status: .noContent, headerFields: [.allow: allowed.joined(separator: ", ")])
    }

    private static func segments(_ path: String) -> [Substring] {
        path.split(separator: "/", omittingEmptySubsequences: false)
    }

    private static func match(
        _ pattern: [Substring], _ path: [Substring]
    ) -> [(String, Substring)]? {
        guard pattern.count == path.count else { return nil }
        var parameters: [(String, Substring)] = []
        for (expected, actual) in zip(pattern, path) {
            if expected.hasPrefix("{") {
                guard !actual.isEmpty else { return nil }
                parameters.append((String(expected.dropFirst().dropLast()), actual))
            } else if expected != actual, !isEscaped(actual, of: expected) {
                return nil
            }
        }
        return parameters
    }

    /// Whether a segment is another spelling of a pattern's: `%76` is a v (RFC 3986, 6.2.2.2).
    private static func isEscaped(_ actual: Substring, of expected: Substring) -> Bool {
        actual.utf8.contains(UInt8(ascii: "%"))
            && PercentEncoding.decode(actual).map { $0 == expected } ?? false
    }

    private static func decode(_ parameters: [(String, Substring)]) -> [String: String]? {
        var decoded: [String: String] = [:]
        for (name, raw) in parameters {
            guard let value = PercentEncoding.decode(raw) else { return nil }
            decoded[name] = value
        }
        return decoded
    }
}
