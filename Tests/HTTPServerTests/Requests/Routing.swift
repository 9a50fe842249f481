import EventLoop
import HTTPTypes
import Testing

@testable import HTTPServer

@Suite struct Routing {
    static let router: Router = {
        var router = Router(loop: .shared, renderFailure: Site.render)
        router.on(
            .get, "/things/{name}",
            suspending: { request in
                ServerResponse(status: .ok, body: Array((request.parameters["name"] ?? "").utf8))
            })
        router.on(.put, "/things/{name}") { _, answer in
            answer(ServerResponse(status: .noContent))
        }
        router.on(.post, "/things") { _, answer in answer(ServerResponse(status: .created)) }
        router.onUnknownPath { request in
            request.path == "/lost" ? ServerResponse(status: .gone) : nil
        }
        return router
    }()

    static func ask(_ method: String, _ path: String) async throws -> Reply? {
        let router = router
        let answer = Lock<Reply?>(nil)
        try await Site.serve(answering: router.handle) { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send(
                    "\(method) \(path) HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
                let reply = try client.reply(toHead: method == "HEAD")
                // Nothing is left over: the next answer begins where this one ends.
                try client.send("GET /things/next HTTP/1.1\r\nHost: t\r\n\r\n")
                #expect(try client.reply()?.body == "next")
                return reply
            }
            answer.withLock { $0 = reply }
        }
        return answer.withLock { $0 }
    }

    @Test func decodesPathParameter() async throws {
        let reply = try await Self.ask("GET", "/things/a%2Fb%20c")
        #expect(reply?.status == 200)
        #expect(reply?.body == "a/b c")
    }

    @Test(arguments: ["%zz", "%", "%2", "%00", "%ff"])
    func aBrokenEscapeIsRefused(_ name: String) async throws {
        #expect(try await Self.ask("GET", "/things/\(name)")?.status == 400)
    }

    @Test(arguments: ["/", "/things/", "/things/a/b", "//things/a", "/Things/a"])
    func anUnknownPathIsNotFound(_ path: String) async throws {
        #expect(try await Self.ask("GET", path)?.status == 404)
    }

    @Test func anUnknownPathMayHaveAnAnswerOfItsOwn() async throws {
        #expect(try await Self.ask("GET", "/lost")?.status == 410)
    }

    @Test func servesHeadAsGetWithoutBody() async throws {
        let reply = try await Self.ask("HEAD", "/things/abc")
        #expect(reply?.status == 200)
        #expect(reply?["content-length"] == "3")
    }

    @Test func optionsListsAllowedMethods() async throws {
        let reply = try await Self.ask("OPTIONS", "/things/abc")
        #expect(reply?.status == 204)
        #expect(reply?["allow"] == "GET, HEAD, OPTIONS, PUT")
    }

    @Test(arguments: ["*", "http://t"])
    func optionsForServerListsAllMethods(_ target: String) async throws {
        let reply = try await Self.ask("OPTIONS", target)
        #expect(reply?.status == 204)
        #expect(reply?["allow"] == "GET, HEAD, OPTIONS, POST, PUT")
        #expect(reply?["content-length"] == nil)
    }

    @Test(arguments: ["/%74hings/abc", "/thing%73/abc", "http://t/%74%68ings/abc"])
    func anEscapedLetterIsTheSameLetter(_ path: String) async throws {
        #expect(try await Self.ask("GET", path)?.body == "abc")
    }

    @Test func keepsEscapedSlashInSegment() async throws {
        #expect(try await Self.ask("GET", "/things%2Fabc")?.status == 404)
    }

    @Test func answers405ForOtherMethod() async throws {
        let reply = try await Self.ask("DELETE", "/things/abc")
        #expect(reply?.status == 405)
        #expect(reply?["allow"] == "GET, HEAD, OPTIONS, PUT")
        let head = try await Self.ask("HEAD", "/things")
        #expect(head?.status == 405)
        #expect(head?["allow"] == "OPTIONS, POST")
    }
}
