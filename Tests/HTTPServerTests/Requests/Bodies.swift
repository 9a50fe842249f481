import Testing

@testable import HTTPServer

@Suite(.overEveryTransport) struct Bodies {
    static func limit(_ configuration: inout ServerConfiguration) {
        configuration.bodyBytesMax = 1_000
        configuration.discardBytesMax = 200_000
    }

    static func head(_ fields: String) -> String {
        "POST / HTTP/1.1\r\nHost: t\r\n\(fields)\r\n\r\n"
    }

    static func chunks(_ count: Int) -> String {
        let chunk = "3e8\r\n\(String(repeating: "a", count: 1_000))\r\n"
        return String(repeating: chunk, count: count) + "0\r\n\r\n"
    }

    @Test func acceptsBodyAtLimit() async throws {
        try await Site.serve(configure: Self.limit) { site in
            let replies = try await Client.with(port: site.port) { client in
                let body = String(repeating: "a", count: 1_000)
                try client.send(Self.head("Content-Length: 1000") + body)
                let first = try client.reply()
                try client.send(Self.head("Transfer-Encoding: chunked") + Self.chunks(1))
                return [first, try client.reply()]
            }
            #expect(replies.map { $0?.status } == [200, 200])
        }
    }

    /// The body is read to its end, so that the answer is not lost to a reset.
    @Test(arguments: [
        NamedRequest(
            "declared", head("Content-Length: 1001") + String(repeating: "a", count: 1_001)),
        NamedRequest(
            "declared and large",
            head("Content-Length: 150000") + String(repeating: "a", count: 150_000)),
        NamedRequest("chunked", head("Transfer-Encoding: chunked") + chunks(2)),
        NamedRequest("chunked and large", head("Transfer-Encoding: chunked") + chunks(150)),
    ])
    func aBodyOverTheLimitIsRefused(_ request: NamedRequest) async throws {
        try await Site.serve(configure: Self.limit) { site in
            let replies = try await Client.with(port: site.port) { client in
                try client.send(request.text + MalformedFraming.smuggled)
                return try client.repliesToEnd()
            }
            #expect(replies.map(\.status) == [413])
            #expect(site.requests.isEmpty)
        }
    }

    @Test func refusesDeclaredLengthOverCapBeforeBody() async throws {
        try await Site.serve(configure: Self.limit) { site in
            let replies = try await Client.with(port: site.port) { client in
                try client.send(Self.head("Content-Length: 200001"))
                return try client.repliesToEnd()
            }
            #expect(replies.map(\.status) == [413])
            #expect(site.requests.isEmpty)
        }
    }

    /// A client that never ends its chunks is cut off at the cap.
    @Test func closesConnectionOnChunksOverCap() async throws {
        try await Site.serve(configure: Self.limit) { site in
            try await Client.with(port: site.port) { client in
                try client.send(Self.head("Transfer-Encoding: chunked"))
                let chunk = "3e8\r\n\(String(repeating: "a", count: 1_000))\r\n"
                #expect(throws: Client.Failure.self) {
                    for _ in 0..<100_000 { try client.send(chunk) }
                }
            }
            #expect(site.requests.isEmpty)
        }
    }

    @Test func sends100Continue() async throws {
        try await Site.serve(configure: Self.limit) { site in
            let replies = try await Client.with(port: site.port) { client in
                try client.send(Self.head("Content-Length: 2\r\nExpect: 100-continue"))
                let first = try client.reply()
                try client.send("hi")
                return [first, try client.reply()]
            }
            #expect(replies.map { $0?.status } == [100, 200])
            #expect(replies.last??.body == "/ hi")
        }
    }

    @Test func refusesExpectationWithBodyOverLimitAtOnce() async throws {
        try await Site.serve(configure: Self.limit) { site in
            let replies = try await Client.with(port: site.port) { client in
                try client.send(Self.head("Content-Length: 1001\r\nExpect: 100-continue"))
                return try client.repliesToEnd()
            }
            #expect(replies.map(\.status) == [413])
            #expect(site.requests.isEmpty)
        }
    }

    @Test func answers408WhenBodyDoesNotArrive() async throws {
        try await Site.serve(configure: { $0.bodyTimeout = .seconds(1) }) { site in
            let replies = try await Client.with(port: site.port) { client in
                try client.send(Self.head("Content-Length: 10") + "abc")
                return try client.repliesToEnd()
            }
            // Over TLS the connection is closed without an answer.
            guard Transport.current == .plain else { return #expect(replies.isEmpty) }
            #expect(replies.map(\.status) == [408])
            #expect(replies.first?["connection"] == "close")
            #expect(replies.first?["date"]?.hasSuffix(" GMT") == true)
            #expect(site.requests.isEmpty)
        }
    }

    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
    ])
    func writesDateInOneFormat(_ time: Int, _ text: String) {
        #expect(RawResponse.date(time) == text)
    }

    /// From a client that half closed libmicrohttpd waits for the rest until the deadline, or closes
    /// at once, as the end of the stream reaches it with the data or after.
    @Test func dropsRequestWhoseBodyBreaksOff() async throws {
        try await Site.serve(configure: { $0.bodyTimeout = .seconds(1) }) { site in
            let replies = try await Client.with(port: site.port) { client in
                try client.send(Self.head("Content-Length: 10") + "abc")
                client.halfClose()
                return try client.repliesToEnd()
            }
            #expect(replies.allSatisfy { $0.status == 408 })
            #expect(site.requests.isEmpty)
        }
    }
}
