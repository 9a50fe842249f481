import EventLoop
import HTTPTypes
import Testing

@testable import HTTPServer

@Suite struct Stopping {
    static let request = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"

    static func held(_ gate: Gate) -> SuspendingHandler {
        { request in
            await gate.pass()
            return await Site.echo(request)
        }
    }

    @Test func answersRunningRequestsAndClosesTheirConnections() async throws {
        let gate = Gate()
        let site = try Site(handler: Self.held(gate))
        async let answers = Client.with(port: site.port) { client in
            try client.send(Self.request)
            return try client.repliesToEnd()
        }
        await gate.arrivals(1)
        async let drained = site.server.drain(within: .seconds(300))
        while site.server.traffic.withLock({ $0.phase == .serving }) { await Task.yield() }
        await gate.open()
        let replies = try await answers
        #expect(replies.map(\.body) == ["/a "])
        #expect(replies.first?["connection"]?.lowercased() == "close")
        #expect(await drained)
        #expect(site.server.requestsInFlight == 0)
    }

    @Test func answers503WhenHandlerDoesNotEndInTime() async throws {
        let gate = Gate()
        let site = try Site(handler: Self.held(gate))
        async let answers = Client.with(port: site.port) { client in
            try client.send(Self.request + Self.request)
            return try client.repliesToEnd()
        }
        await gate.arrivals(1)
        #expect(await site.server.drain(within: .milliseconds(50)) == false)
        #expect(try await answers.map(\.status) == [503])
        #expect(site.server.requestsInFlight == 0)
        // The handler's own answer comes too late, and to nobody.
        await gate.open()
    }

    /// The bound is a day, and the test's own a minute: only an end of its own accord passes.
    @Test(.timeLimit(.minutes(10))) func anIdleServerStopsAtOnce() async throws {
        let site = try Site()
        let client = try await onThread { [port = site.port] in
            var client = try Client(port: port)
            try client.send(Self.request)
            _ = try client.reply()
            return client
        }
        #expect(await site.server.drain(within: .seconds(86_400)))
        // A second call has nothing to do.
        #expect(await site.server.drain(within: .seconds(86_400)))
        try await onThread {
            var client = client
            try client.readToEnd()
            client.disconnect()
        }
        await #expect(throws: Client.Failure.self) {
            try await Client.with(port: site.port) { _ in }
        }
    }

    /// The server waits for a client that does not read its 503; what others ask in the meantime
    /// is refused, and reaches no handler.
    @Test func refusesRequestBetweenLimitAndStop() async throws {
        let gate = Gate()
        let big = [UInt8](repeating: 0x61, count: 64 << 20)
        let site = try Site(
            configure: { $0.responseTimeout = .seconds(300) },
            render: { _ in ServerResponse(status: .serviceUnavailable, body: big) },
            handler: Self.held(gate))
        let port = site.port
        let (kept, mute) = try await onThread {
            let clients = (try Client(port: port), try Client(port: port))
            // Known to the server by half a request, as a listener that closes drops the others.
            try clients.0.send("GET /late HTTP/1.1\r\n")
            try clients.1.send(Self.request)
            return clients
        }
        await gate.arrivals(1)
        async let drained = site.server.drain(within: .zero)
        while site.server.traffic.withLock({ $0.phase != .stopping }) { await Task.yield() }
        let status = try await onThread {
            var client = kept
            defer { client.disconnect() }
            try client.send("Host: t\r\n\r\n")
            return try client.head()?.status
        }
        #expect(status == 503)
        // Only now does the client go for which the server waits.
        mute.disconnect()
        #expect(await drained == false)
        #expect(site.requests == ["GET /a"])
        await gate.open()
    }

    /// Requests keep coming on kept connections while the server stops: none may be suspended
    /// when libmicrohttpd ends, on which it would abort.
    @Test func stopsCleanlyUnderLoad() async throws {
        for _ in 0..<20 {
            let site = try Site()
            await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await Client.with(port: site.port) { client in
                            do {
                                while true {
                                    try client.send(Self.request + Self.request)
                                    guard try client.reply() != nil, try client.reply() != nil
                                    else { return }
                                }
                            } catch Client.Failure.system {
                                return
                            }
                        }
                    }
                }
                while site.requests.count < 50 { await Task.yield() }
                _ = await site.server.drain(within: .zero)
                while let _ = await group.nextResult() {}
            }
            #expect(site.server.requestsInFlight == 0)
        }
    }

    @Test func leaksNothingWhenClientDisconnects() async throws {
        let gate = Gate()
        try await Site.serve(handler: Self.held(gate)) { site in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<10 {
                    group.addTask { [port = site.port] in
                        let client = try await onThread {
                            let client = try Client(port: port)
                            try client.send(Self.request)
                            return client
                        }
                        // Gone once every handler is at work.
                        await gate.arrivals(10)
                        client.disconnect()
                    }
                }
                try await group.waitForAll()
            }
            #expect(site.server.requestsInFlight == 10)
            await gate.open()
            await site.server.waitUntilIdle(within: .seconds(300))
            #expect(site.server.requestsInFlight == 0)
        }
    }

    @Test func freesServerWithItsRequests() async throws {
        weak var server: Server?
        do {
            let site = try Site()
            server = site.server
            _ = try await Client.with(port: site.port) { client in
                try client.send(Self.request)
                return try client.reply()
            }
            _ = await site.server.drain(within: .seconds(300))
        }
        // A handler's task may still be on its way out.
        let deadline = ContinuousClock.now + .seconds(300)
        while server != nil, ContinuousClock.now < deadline { await Task.yield() }
        #expect(server == nil)
    }
}
