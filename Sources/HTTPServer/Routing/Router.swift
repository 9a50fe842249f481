public import HTTPTypes

/// Finds the handler of a request by method and path.
public struct Router: Sendable {
    private struct Route: Sendable {
        let method: HTTPRequest.Method
        let pattern: String
        let segments: [Substring]
        let handler: Handler
    }

    private var table: [Route] = []
    private let renderFailure: @Sendable (ProtocolFailure) -> ServerResponse

    /// Makes a router that answers what it cannot route with this function.
    public init(renderFailure: @escaping @Sendable (ProtocolFailure) -> ServerResponse) {
        self.renderFailure = renderFailure
    }

    /// The routes, in the order they were added.
    public var routes: [(method: HTTPRequest.Method, pattern: String)] {
        table.map { ($0.method, $0.pattern) }
    }

    /// Adds a route.
    ///
    /// A pattern's `{name}` matches one segment that is not empty.
    public mutating func on(
        _ method: HTTPRequest.Method, _ pattern: String, _ handler: @escaping Handler
    ) {
        table.append(
            Route(
                method: method, pattern: pattern, segments: Self.segments(pattern),
                handler: handler))
    }

    /// Answers a request: the handler's answer, or 404, or 405 with `Allow`.
    ///
    /// HEAD is answered as GET without its body, OPTIONS with `Allow`.
    public func handle(_ request: ServerRequest) async -> ServerResponse {
        let segments = Self.segments(request.path)
        let wanted = request.method == .head ? .get : request.method
        var allowed: [String] = []
        for route in table {
            guard let parameters = Self.match(route.segments, segments) else { continue }
            guard route.method == wanted else {
                allowed.append(route.method.rawValue)
                continue
            }
            guard let decoded = Self.decode(parameters) else {
                return renderFailure(.badRequest("the path's percent-encoding is broken"))
            }
            var request = request
            request.parameters = decoded
            return await route.handler(request)
        }
        guard !allowed.isEmpty else { return renderFailure(.notFound) }
        if allowed.contains("GET") { allowed.append("HEAD") }
        allowed.append("OPTIONS")
        let list = allowed.sorted().joined(separator: ", ")
        var response =
            request.method == .options
            ? ServerResponse(status: .noContent)
            : renderFailure(.methodNotAllowed(allowed: allowed.sorted()))
        response.headerFields[.allow] = list
        return response
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
            } else if expected != actual {
                return nil
            }
        }
        return parameters
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
