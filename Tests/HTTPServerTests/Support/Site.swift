import EventLoop
import HTTPTypes

@testable import HTTPServer

/// A running server and what reached its handler.
struct Site: Sendable {
    let server: Server
    let port: UInt16
    private let seen: Lock<[String]>

    /// The requests that reached the handler, each as its method and path, in order.
    var requests: [String] { seen.withLock { $0 } }

    /// Serves for the length of a closure, and stops.
    static func serve(
        configure: (inout ServerConfiguration) -> Void = { _ in },
        handler: @escaping Handler = Site.echo, _ body: (Site) async throws -> Void
    ) async throws {
        let site = try Site(configure: configure, handler: handler)
        do {
            try await body(site)
        } catch {
            _ = await site.server.drain(within: .zero)
            throw error
        }
        _ = await site.server.drain(within: .seconds(60))
    }

    init(
        configure: (inout ServerConfiguration) -> Void = { _ in },
        render: @escaping @Sendable (ProtocolFailure) -> ServerResponse = Site.render,
        handler: @escaping Handler = Site.echo
    ) throws {
        var configuration = ServerConfiguration()
        configure(&configuration)
        let seen = Lock<[String]>([])
        self.seen = seen
        server = Server(configuration: configuration, executor: nil, renderFailure: render) {
            request in
            seen.withLock { $0.append("\(request.method) \(request.path)") }
            return await handler(request)
        }
        port = try server.start()
    }

    /// Answers with the path and the body.
    static let echo: Handler = { request in
        ServerResponse(status: .ok, body: Array(request.path.utf8) + [0x20] + request.body)
    }

    @Sendable static func render(_ failure: ProtocolFailure) -> ServerResponse {
        let status: HTTPResponse.Status =
            switch failure {
            case .badRequest: .badRequest
            case .bodyTooLarge: .contentTooLarge
            case .targetTooLong: .uriTooLong
            case .headTooLarge, .tooManyHeaders: .requestHeaderFieldsTooLarge
            case .expectationFailed: .expectationFailed
            case .notImplemented: .notImplemented
            case .requestTimedOut: .requestTimeout
            case .notFound: .notFound
            case .methodNotAllowed: .methodNotAllowed
            case .stopping: .serviceUnavailable
            }
        return ServerResponse(
            status: status, headerFields: [.contentType: "application/problem+json"],
            body: Array("\(failure)".utf8))
    }
}

/// Holds handlers until it is opened, and tells when they are there.
actor Gate {
    private var isOpen = false
    private var arrived = 0
    private var held: [CheckedContinuation<Void, Never>] = []
    private var watchers: [(count: Int, CheckedContinuation<Void, Never>)] = []

    func pass() async {
        arrived += 1
        for (count, watcher) in watchers where count <= arrived { watcher.resume() }
        watchers.removeAll { $0.count <= arrived }
        guard !isOpen else { return }
        await withCheckedContinuation { held.append($0) }
    }

    func open() {
        isOpen = true
        for continuation in held { continuation.resume() }
        held = []
    }

    /// Returns when this many have come.
    func arrivals(_ count: Int) async {
        guard arrived < count else { return }
        await withCheckedContinuation { watchers.append((count, $0)) }
    }
}
