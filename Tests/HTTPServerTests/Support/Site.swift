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
        handler: @escaping SuspendingHandler = Site.echo, _ body: (Site) async throws -> Void
    ) async throws {
        try await Site(configure: configure, handler: handler).use(body)
    }

    /// Serves as `serve` does, with a handler that makes no task.
    static func serve(
        answering handler: @escaping Handler, _ body: (Site) async throws -> Void
    ) async throws {
        try await Site(answering: handler).use(body)
    }

    private func use(_ body: (Site) async throws -> Void) async throws {
        do {
            try await body(self)
        } catch {
            _ = await server.drain(within: .zero)
            throw error
        }
        _ = await server.drain(within: .seconds(300))
    }

    init(
        configure: (inout ServerConfiguration) -> Void = { _ in },
        render: @escaping @Sendable (ProtocolFailure) -> ServerResponse = Site.render,
        handler: @escaping SuspendingHandler = Site.echo
    ) throws {
        try self.init(
            configure: configure, render: render, answering: EventLoop.shared.handler(handler))
    }

    /// Makes a site whose handler calls with its answer.
    init(
        configure: (inout ServerConfiguration) -> Void = { _ in },
        render: @escaping @Sendable (ProtocolFailure) -> ServerResponse = Site.render,
        answering handler: @escaping Handler
    ) throws {
        var configuration = ServerConfiguration()
        if Transport.current == .tls {
            configuration.certificate = try ServerCertificate(
                TestCertificate.shared.certificate, key: TestCertificate.shared.key)
        }
        configure(&configuration)
        let seen = Lock<[String]>([])
        self.seen = seen
        server = Server(configuration: configuration, loop: .shared, renderFailure: render) {
            request, answer in
            seen.withLock { $0.append("\(request.method) \(request.path)") }
            handler(request, answer)
        }
        port = try server.start()
    }

    /// Answers with the path and the body.
    static let echo: SuspendingHandler = { request in
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
            case .hostNotServed: .misdirectedRequest
            case .fromOtherSite: .forbidden
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
