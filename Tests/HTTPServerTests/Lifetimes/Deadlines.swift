import EventLoop
import Glibc
import HTTPTypes
import Testing

@testable import HTTPServer

/// A client that sends a byte now and then is never idle; only a deadline ends it.
@Suite struct Deadlines {
    /// Sends a byte again and again; returns when the server has cut the connection.
    static func drip(_ client: inout Client, _ beginning: String, _ drop: String) throws {
        try client.send(beginning)
        for _ in 0..<60_000 {
            do {
                try client.send(drop)
            } catch Client.Failure.system {
                return
            }
            // The pace of the client is what is tested.
            usleep(10_000)
        }
        throw Client.Failure.silence
    }

    @Test func closesSlowSendersWhileOthersAreServed() async throws {
        try await Site.serve(configure: {
            $0.headerTimeout = .seconds(2)
            $0.bodyTimeout = .seconds(2)
        }) { site in
            async let header: Void = Client.with(port: site.port) { client in
                try Self.drip(&client, "GET / HTTP/1.1\r\nHost: t\r\nA: ", "b")
            }
            async let line: Void = Client.with(port: site.port) { client in
                try Self.drip(&client, "GET /", "a")
            }
            async let body: Void = Client.with(port: site.port) { client in
                try Self.drip(&client, Bodies.head("Content-Length: 100000"), "a")
            }
            async let chunks: Void = Client.with(port: site.port) { client in
                try Self.drip(&client, Bodies.head("Transfer-Encoding: chunked"), "1\r\na\r\n")
            }
            for _ in 0..<10 {
                let reply = try await Client.with(port: site.port) { client in
                    try client.send("GET /other HTTP/1.1\r\nHost: t\r\n\r\n")
                    return try client.reply()
                }
                #expect(reply?.body == "/other ")
            }
            _ = try await (header, line, body, chunks)
            #expect(site.requests.allSatisfy { $0 == "GET /other" })
        }
    }

    /// libmicrohttpd's own limit would else come before a longer one, and say nothing.
    @Test func libraryTimeoutIsLongerThanEveryDeadline() {
        for path in [
            \ServerConfiguration.headerTimeout, \.bodyTimeout, \.responseTimeout,
        ] {
            var configuration = ServerConfiguration()
            configuration[keyPath: path] = .seconds(3600)
            let server = Server(
                configuration: configuration, loop: .shared, renderFailure: Site.render,
                handler: EventLoop.shared.handler(Site.echo))
            #expect(server.inactivitySecondsMax > 3600)
        }
    }

    @Test func closesSilentConnection() async throws {
        try await Site.serve(configure: { $0.headerTimeout = .seconds(2) }) { site in
            let rest = try await Client.with(port: site.port) { client in
                try client.send("GET /a HTTP/1.1\r\nHost: t\r\n\r\n")
                return try client.repliesToEnd().map(\.body)
            }
            #expect(rest == ["/a "])
            try await Client.with(port: site.port) { client in
                try client.readToEnd()
            }
        }
    }

    @Test func answers408WhenHeadDoesNotArrive() async throws {
        try await Site.serve(configure: { $0.headerTimeout = .seconds(2) }) { site in
            let replies = try await Client.with(port: site.port) { client in
                try client.send("GET /a HTTP/1.1\r\nHost: t\r\n\r\nGET /b HTTP/1.1\r\nHost: t\r\n")
                return try client.repliesToEnd()
            }
            #expect(replies.map(\.status) == [200, 408])
            #expect(replies.last?["content-type"] == "application/problem+json")
            #expect(replies.last?["connection"] == "close")
            #expect(site.requests == ["GET /a"])
            let cut = try await Client.with(port: site.port) { client in
                try client.send("GET /a HTT")
                return try client.repliesToEnd()
            }
            #expect(cut.isEmpty)
        }
    }

    /// The answer is larger than what the kernel holds for a client that does not read.
    @Test func closesConnectionOfClientThatDoesNotRead() async throws {
        let big = [UInt8](repeating: 0x61, count: 64 << 20)
        try await Site.serve(
            configure: { $0.responseTimeout = .milliseconds(200) },
            handler: { _ in ServerResponse(status: .ok, body: big) }
        ) { site in
            let client = try await onThread { [port = site.port] in
                let client = try Client(port: port)
                try client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n")
                return client
            }
            defer { client.disconnect() }
            while site.requests.isEmpty { await Task.yield() }
            // Returns when the last request is over, which nothing but the cut can bring about.
            await site.server.waitUntilIdle(within: .seconds(300))
            #expect(site.server.requestsInFlight == 0)
        }
    }

    /// No deadline of the connection counts while its handler works.
    @Test func handlerMayRunLongerThanEveryDeadline() async throws {
        try await Site.serve(
            configure: {
                $0.headerTimeout = .seconds(2)
                $0.bodyTimeout = .seconds(2)
                $0.responseTimeout = .seconds(2)
            },
            handler: { request in
                // Passing time is the point.
                try? await Task.sleep(for: .milliseconds(2500))
                return await Site.echo(request)
            }
        ) { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send("GET /a HTTP/1.1\r\nHost: t\r\n\r\n")
                return try client.reply()
            }
            #expect(reply?.body == "/a ")
        }
    }
}
