import EventLoop
import HTTPTypes
import Testing

@testable import HTTPServer

/// How a handler answers: by a call, which is made on the loop and needs no task.
@Suite(.overEveryTransport) struct Answering {
    private static let request = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"

    private func reply(_ handler: @escaping Handler) async throws -> Reply? {
        let answer = Lock<Reply?>(nil)
        try await Site.serve(answering: handler) { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send(Self.request)
                return try client.reply()
            }
            answer.withLock { $0 = reply }
            await site.server.waitUntilIdle(within: .seconds(300))
            #expect(site.server.requestsInFlight == 0)
        }
        return answer.withLock { $0 }
    }

    @Test func callsHandlerOnLoopOutsideAnyTask() async throws {
        let reply = try await reply { _, answer in
            let isInTask = withUnsafeCurrentTask { $0 != nil }
            let place = "\(EventLoop.shared.isOnLoop) \(isInTask)"
            answer(ServerResponse(status: .ok, body: Array(place.utf8)))
        }
        #expect(reply?.body == "true false")
    }

    @Test func givesSuspendingHandlerTask() async throws {
        let reply = try await reply(
            EventLoop.shared.handler { _ in
                await Task.yield()
                let isInTask = withUnsafeCurrentTask { $0 != nil }
                let place = "\(EventLoop.shared.isOnLoop) \(isInTask)"
                return ServerResponse(status: .ok, body: Array(place.utf8))
            })
        #expect(reply?.body == "true true")
    }

    @Test func takesAnswerThatComesLater() async throws {
        let reply = try await reply { request, answer in
            EventLoop.shared.execute {
                answer(ServerResponse(status: .ok, body: Array(request.path.utf8)))
            }
        }
        #expect(reply?.body == "/a")
    }

    @Test func firstAnswerCounts() async throws {
        let reply = try await reply { _, answer in
            answer(ServerResponse(status: .ok, body: [0x31]))
            answer(ServerResponse(status: .accepted, body: [0x32]))
        }
        #expect(reply?.status == 200)
        #expect(reply?.body == "1")
    }
}
