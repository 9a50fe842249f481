import HTTPTypes
import Testing

@testable import HTTPServer

@Suite(.overEveryTransport) struct SoundRequests {
    @Test func answersRequestsOfOneConnectionInTurn() async throws {
        try await Site.serve { site in
            let replies = try await Client.with(port: site.port) { client in
                try (0..<3).map { number in
                    try client.send("GET /\(number) HTTP/1.1\r\nHost: t\r\n\r\n")
                    return try client.reply()?.body
                }
            }
            #expect(replies == ["/0 ", "/1 ", "/2 "])
        }
    }

    @Test func answersPipelinedRequestsInOrder() async throws {
        try await Site.serve { site in
            let replies = try await Client.with(port: site.port) { client in
                var all = ""
                for number in 0..<20 {
                    all += "POST /\(number) HTTP/1.1\r\nHost: t\r\n"
                    all +=
                        number.isMultiple(of: 2)
                        ? "Content-Length: 2\r\n\r\nab"
                        : "Transfer-Encoding: chunked\r\n\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n"
                }
                try client.send(all)
                return try (0..<20).map { _ in try client.reply()?.body }
            }
            #expect(replies == (0..<20).map { "/\($0) \($0.isMultiple(of: 2) ? "ab" : "cd")" })
            #expect(site.requests == (0..<20).map { "POST /\($0)" })
        }
    }

    @Test(arguments: [
        "GET /a?b=c%20d&e HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost:t\r\nEmpty:\r\nSpaces: \t  a b  \r\nAccept: */*\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: t\r\nCookie: a=b; c=d\r\n\r\n",
        "\r\nGET /a HTTP/1.1\r\nhost: t\r\n\r\n",
        "GET /a HTTP/1.0\r\n\r\n",
        "GET /a HTTP/1.0\r\nExpect: 200-ok\r\n\r\n",
        "GET /a HTTP/1.2\r\nHost: t\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
        "GET http://t/a HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET HTTPS://t:/a HTTP/1.1\r\nHost:\r\n\r\n",
        "GET http://[::1]:80/a?b HTTP/1.0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n",
    ])
    func isAnswered(_ request: String) async throws {
        try await Site.serve { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send(request)
                return try client.reply()
            }
            #expect(reply?.status == 200)
            #expect(reply?.body == "/a ")
        }
    }

    /// The host of a target counts, and not the one beside it (RFC 9112, 3.2.2).
    @Test(arguments: [
        ("GET http://u:8080/a/b?c=d#e HTTP/1.1", "/a/b|c=d#e|u:8080"),
        ("GET http://u HTTP/1.1", "/|none|u"), ("GET http://u?c HTTP/1.1", "/|c|u"),
        ("GET http://u/? HTTP/1.1", "/||u"), ("GET http://u//a HTTP/1.1", "//a|none|u"),
        ("OPTIONS http://u HTTP/1.1", "*|none|u"), ("OPTIONS http://u/ HTTP/1.1", "/|none|u"),
        ("OPTIONS * HTTP/1.1", "*|none|t"), ("GET /a HTTP/1.1", "/a|none|t"),
        ("POST http://u/a?\(String(repeating: "b&", count: 1_000)) HTTP/1.1", nil),
    ])
    func aTargetOfAnyFormArrives(_ line: String, _ parts: String?) async throws {
        let handler: SuspendingHandler = { request in
            let host = request.headerFields.all.first { $0.name.lowercased() == "host" }?.value
            let parts = [request.path, request.query ?? "none", host ?? "none"]
            return ServerResponse(status: .ok, body: Array(parts.joined(separator: "|").utf8))
        }
        try await Site.serve(handler: handler) { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send("\(line)\r\nHost: t\r\nContent-Length: 0\r\n\r\n")
                return try client.reply()
            }
            #expect(reply?.body == parts ?? "/a|\(String(repeating: "b&", count: 1_000))|u")
        }
    }

    /// libmicrohttpd is kept from making a record of each parameter: its memory would not hold them.
    @Test func receivesQueryOfManyParameters() async throws {
        let query = (0..<2_000).map { "a\($0 % 10)" }.joined(separator: "&")
        try await Site.serve(handler: { request in
            ServerResponse(status: .ok, body: Array((request.query ?? "none").utf8))
        }) { site in
            let replies = try await Client.with(port: site.port) { client in
                try ["/b?\(query)", "/b?", "/b?c", "/b"].map { target in
                    try client.send("GET \(target) HTTP/1.1\r\nHost: t\r\n\r\n")
                    return try client.reply()?.body
                }
            }
            #expect(replies == [query, "", "c", "none"])
        }
    }

    /// However the bytes are cut, the request is the same.
    @Test func receivesRequestByteByByte() async throws {
        try await Site.serve { site in
            let reply = try await Client.with(port: site.port) { client in
                let text = "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nA: b\r\n\r\nxyz"
                for byte in text.utf8 { try client.send([byte]) }
                return try client.reply()
            }
            #expect(reply?.body == "/a xyz")
        }
    }

    /// Where the head all but fills the connection's memory, none is left for that of an answer.
    @Test func answersHeadOfAnySize() async throws {
        let limit = ServerConfiguration().headerBytesMax
        let sizes =
            [limit - 1, limit, limit + 1] + Array(stride(from: 1_000, to: 34_000, by: 1_000))
            + Array(stride(from: 27_500, to: 28_500, by: 10))
        try await Site.serve { site in
            for size in sizes {
                let reply = try await Client.with(port: site.port) { client in
                    let head = Self.head(size)
                    try client.send(String(head.prefix(size / 2)))
                    try client.send(String(head.dropFirst(size / 2)))
                    return try client.reply()
                }
                #expect(reply?.status == (size <= limit ? 200 : 431), "\(size) bytes")
            }
        }
    }

    private static func head(_ size: Int) -> String {
        let beginning = "GET /a HTTP/1.1\r\nHost: t\r\n"
        var left = size - beginning.utf8.count - 2
        var fields = ""
        while left > 0 {
            let field = left < 800 ? left : 400
            fields += "A: \(String(repeating: "b", count: field - 5))\r\n"
            left -= field
        }
        return beginning + fields + "\r\n"
    }

    @Test func receivesFieldsInOrder() async throws {
        let handler: SuspendingHandler = { request in
            let fields = request.headerFields.all.map { "\($0.name)=\($0.value)" }
            let all = fields.joined(separator: ";") + "?" + (request.query ?? "none")
            return ServerResponse(status: .ok, body: Array(all.utf8))
        }
        try await Site.serve(handler: handler) { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send(
                    "GET /?a=%00+b&c HTTP/1.1\r\nHost: t\r\nB: 2\r\nA: 1\r\nB: 3\r\n\r\n")
                return try client.reply()
            }
            #expect(reply?.body == "Host=t;B=2;A=1;B=3?a=%00+b&c")
        }
    }

    /// Others are connected: libmicrohttpd looks first at the one that was silent for longest, and
    /// reads from the rest before it asks for their answers.
    @Test(arguments: [
        "GET /a HTTP/1.1\r\nHost: t\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi",
    ])
    func aHalfClosedClientGetsItsAnswer(_ request: String) async throws {
        let gate = Gate()
        try await Site.serve(handler: { request in
            if request.path != "/silent" { await gate.pass() }
            return await Site.echo(request)
        }) { site in
            let (port, transport) = (site.port, Transport.current)
            let paths = try await Client.with(port: port) { silent in
                try silent.send("GET /silent HTTP/1.1\r\nHost: t\r\n\r\n")
                _ = try silent.reply()
                var client = try Client(port: port, over: transport)
                defer { client.disconnect() }
                try client.send(request)
                client.halfClose()
                Task { await gate.open() }
                return try client.repliesToEnd().map { $0.body.prefix(2) }
            }
            #expect(paths == ["/a"])
        }
    }

    @Test func servesHundredConnectionsAtOnce() async throws {
        let gate = Gate()
        try await Site.serve(handler: { request in
            await gate.pass()
            return await Site.echo(request)
        }) { site in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<100 {
                    group.addTask {
                        try await Client.with(port: site.port) { client in
                            try client.send("GET /\(number) HTTP/1.1\r\nHost: t\r\n\r\n")
                            return try client.reply()?.body == "/\(number) "
                        }
                    }
                }
                // All of them are in their handlers before the first is answered.
                await gate.arrivals(100)
                #expect(site.server.requestsInFlight == 100)
                await gate.open()
                for try await isRight in group { #expect(isRight) }
            }
            await site.server.waitUntilIdle(within: .seconds(5))
            #expect(site.server.requestsInFlight == 0)
        }
    }
}
