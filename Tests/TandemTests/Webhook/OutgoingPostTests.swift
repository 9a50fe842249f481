import EventLoop
import Foundation
import FoundationNetworking
import HTTPServer
import HTTPTypes
import Testing

@testable import tandem

/// Each exchange ends, whatever becomes of it.
@Suite struct OutgoingPostTests {
    /// A server that answers with a status, or not at all.
    private static func withServer(
        answering status: HTTPResponse.Status?, _ body: (URL) async throws -> Void
    ) async throws {
        let server = Server(
            configuration: ServerConfiguration(), loop: .shared,
            renderFailure: { _ in ServerResponse(status: .badRequest) },
            handler: { _, answer in
                if let status {
                    answer(ServerResponse(status: status))
                } else {
                    Self.kept.withLock { $0.append(answer) }
                }
            })
        let port = try server.start()
        try await body(#require(URL(string: "http://127.0.0.1:\(port)/")))
        let answers = kept.withLock { answers in
            defer { answers = [] }
            return answers
        }
        for answer in answers { await answer(ServerResponse(status: .noContent)) }
        _ = await server.drain(within: .seconds(300))
    }

    private static let kept = Lock<[@LoopActor @Sendable (ServerResponse) -> Void]>([])

    @Test func returnsTheStatus() async throws {
        try await Self.withServer(answering: .accepted) { url in
            let post = OutgoingPost(url: url, timeout: .seconds(300))
            let status = try await post.send([1], type: "text/plain")
            #expect(status == 202)
        }
    }

    @Test("a task that is cancelled before, while or after it sends is not kept waiting")
    func cancelled() async throws {
        try await Self.withServer(answering: .accepted) { url in
            let post = OutgoingPost(url: url, timeout: .seconds(300))
            for _ in 0..<200 {
                let task = Task { try await post.send([1], type: "text/plain") }
                task.cancel()
                _ = await task.result
            }
        }
    }

    @Test("an answer that does not come ends by the timeout")
    func timedOut() async throws {
        try await Self.withServer(answering: nil) { url in
            let post = OutgoingPost(url: url, timeout: .milliseconds(200))
            await #expect(throws: URLError.self) { try await post.send([1], type: "text/plain") }
        }
    }
}
