import CoordinatorAPI
import EventLoop
import Foundation
import HTTPServer
import HTTPTypes
import Testing

@testable import tandem

/// Takes what is posted to it, and answers as it was asked to.
final class WebhookReceiver: Sendable {
    struct Posted: Sendable {
        let id: String
        let isSigned: Bool
        let body: JSONValue

        var type: String { body["type"]?.string ?? "" }
        var subject: String { body["data"]?["subject"]?.string ?? "" }
    }

    static let secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    let port: UInt16
    private let server: Server
    private let taken = Lock<[Posted]>([])
    private let refused = Lock<[Posted]>([])
    private let status: Lock<HTTPResponse.Status>

    init(answering first: HTTPResponse.Status = .noContent) throws {
        let (taken, refused, status) = (taken, refused, Lock(first))
        self.status = status
        server = Server(
            configuration: ServerConfiguration(), loop: .shared,
            renderFailure: { _ in ServerResponse(status: .badRequest) },
            handler: { request, answer in
                let status = status.withLock { $0 }
                (status.kind == .successful ? taken : refused).withLock {
                    $0.append(Self.read(request))
                }
                var response = ServerResponse(status: status)
                if status.kind == .redirection { response.headerFields[.location] = "/elsewhere" }
                answer(response)
            })
        port = try server.start()
    }

    private static func read(_ request: ServerRequest) -> Posted {
        func field(_ name: String) -> String {
            request.headerFields[FieldName(name)] ?? ""
        }
        let id = field("webhook-id")
        let signature = Int64(field("webhook-timestamp")).flatMap {
            WebhookSecret(Self.secret)?.signature(id: id, seconds: $0, body: request.body)
        }
        return Posted(
            id: id,
            isSigned: request.path.hasPrefix("/hook") && signature == field("webhook-signature"),
            body: (try? JSONReader.read(request.body)) ?? .null)
    }

    /// The line of the configuration that has messages sent here.
    ///
    /// A busy machine must not lose a participant, or a receiver, that a test does not mean to lose.
    func settings(
        lostSeconds: Int = 600, timeoutSeconds: Int = 100, retrySeconds: Int = 101
    ) -> String {
        "webhook: { url: 'http://127.0.0.1:\(port)/hook', secret: '\(Self.secret)', "
            + "console: 'https://tandem.internal/', intervalMilliseconds: 100, inDoubtSeconds: 1, "
            + "lostSeconds: \(lostSeconds), timeoutSeconds: \(timeoutSeconds), "
            + "retrySeconds: \(retrySeconds) }"
    }

    /// From now on every message gets this answer.
    func answer(_ new: HTTPResponse.Status) { status.withLock { $0 = new } }

    var accepted: [Posted] { taken.withLock { $0 } }
    var rejected: [Posted] { refused.withLock { $0 } }

    /// The message of this type, once it was accepted; there must be one only, which may come twice.
    func message(
        _ type: String, about subject: String? = nil, _ testbed: Testbed
    ) async throws -> Posted {
        func found() -> [Posted] {
            accepted.filter { $0.type == type && (subject == nil || $0.subject == subject) }
        }
        try await testbed.until("\(type) is delivered") { !found().isEmpty }
        let ids = Set(found().map(\.id))
        #expect(ids.count == 1, "\(ids)")
        return try #require(found().first)
    }

    func stop() async { _ = await server.drain(within: .seconds(300)) }
}

/// Runs a test with a receiver, which is stopped at the end.
func withReceiver(
    answering first: HTTPResponse.Status = .noContent,
    _ body: (WebhookReceiver) async throws -> Void
) async throws {
    let receiver = try WebhookReceiver(answering: first)
    do {
        try await body(receiver)
    } catch {
        await receiver.stop()
        throw error
    }
    await receiver.stop()
    let unsigned = (receiver.accepted + receiver.rejected).filter { !$0.isSigned }
    #expect(unsigned.isEmpty, "\(unsigned)")
}
