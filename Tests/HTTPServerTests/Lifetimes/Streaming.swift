import EventLoop
import HTTPTypes
import Testing

@testable import HTTPServer

/// Responses that go on.
@Suite struct Streaming {
    private static let request = "GET /a HTTP/1.1\r\nHost: t\r\n\r\n"

    /// Streams that a handler has begun, and how many of them are over.
    private final class Streams: Sendable {
        private let begun = Lock<[ResponseStream]>([])
        private let over = Gate()
        private let started = Gate()
        let bytesMax: Int

        init(bytesMax: Int = 65_536) {
            self.bytesMax = bytesMax
        }

        var handler: SuspendingHandler {
            { [self] request in
                guard request.path == "/a" else { return await Site.echo(request) }
                let stream = ResponseStream(bytesMax: bytesMax)
                stream.onEnd { [over] in Task { await Self.count(over) } }
                begun.withLock { $0.append(stream) }
                var response = ServerResponse(
                    status: .ok, headerFields: [.contentType: "text/event-stream"])
                response.stream = stream
                Task { [started] in await Self.count(started) }
                return response
            }
        }

        private static func count(_ gate: Gate) async {
            await gate.open()
            await gate.pass()
        }

        /// The first stream, once its handler has answered.
        func first() async -> ResponseStream {
            await started.arrivals(1)
            return begun.withLock { $0[0] }
        }

        /// Returns when so many are over.
        func ends(_ count: Int) async { await over.arrivals(count) }
    }

    @Test func sendsEachPieceAtOnceAndClosesTheConnection() async throws {
        let streams = Streams()
        try await Site.serve(handler: streams.handler) { site in
            var client = try await onThread { [port = site.port] in
                let client = try Client(port: port)
                try client.send(Self.request)
                return client
            }
            defer { client.disconnect() }
            let stream = await streams.first()
            for number in 1...3 {
                #expect(stream.send(Array("piece \(number)\n".utf8)))
                let (text, after) = try await onThread { [client] in
                    var client = client
                    if number == 1 {
                        let head = try client.head()
                        #expect(head?["transfer-encoding"] == "chunked")
                        #expect(head?["content-type"] == "text/event-stream")
                    }
                    let chunk = try client.chunk()
                    return (chunk, client)
                }
                client = after
                #expect(text == "piece \(number)\n")
            }
            stream.finish()
            #expect(!stream.send([1]))
            try await onThread { [client] in
                var client = client
                let end = try client.chunk()
                #expect(end == "")
                try client.readToEnd()
            }
            await streams.ends(1)
        }
    }

    @Test func sendsToAClientThatHasHalfClosed() async throws {
        let streams = Streams()
        try await Site.serve(handler: streams.handler) { site in
            async let pieces = Client.with(port: site.port) { client in
                try client.send(Self.request)
                client.halfClose()
                _ = try client.head()
                var pieces: [String] = []
                while let piece = try client.chunk(), !piece.isEmpty { pieces.append(piece) }
                return pieces
            }
            let stream = await streams.first()
            // A connection that is idle between two pieces is suspended, and resumed for the next.
            for _ in 0..<3 {
                stream.send(Array("piece\n".utf8))
                while !stream.isAwaited { await Task.yield() }
            }
            stream.finish()
            let received = try await pieces
            #expect(received.joined() == "piece\npiece\npiece\n")
        }
    }

    @Test func endsIfItsAnswerComesTooLate() async throws {
        let gate = Gate()
        let streams = Streams()
        let site = try Site(handler: { request in
            await gate.pass()
            return await streams.handler(request)
        })
        async let reply = Client.with(port: site.port) { client in
            try client.send(Self.request)
            return try client.reply()
        }
        await gate.arrivals(1)
        #expect(await !site.server.drain(within: .zero))
        let status = try await reply?.status
        #expect(status == 503)
        await gate.open()
        await streams.ends(1)
    }

    @Test(.overEveryTransport) func sendsWhatIsLargerThanAChunk() async throws {
        let streams = Streams(bytesMax: 1 << 20)
        try await Site.serve(handler: streams.handler) { site in
            async let body = Client.with(port: site.port) { client in
                try client.send(Self.request)
                _ = try client.head()
                var body = ""
                while let chunk = try client.chunk(), !chunk.isEmpty { body += chunk }
                return body
            }
            let stream = await streams.first()
            let text = String(repeating: "0123456789", count: 50_000)
            #expect(stream.send(Array(text.utf8)))
            stream.finish()
            let received = try await body
            #expect(received == text)
        }
    }

    @Test(.overEveryTransport) func endsWhenTheClientIsGone() async throws {
        let streams = Streams()
        try await Site.serve(handler: streams.handler) { site in
            try await Client.with(port: site.port) { client in
                try client.send(Self.request)
                _ = try client.head()
            }
            let stream = await streams.first()
            while stream.send([0x2E]) { await Task.yield() }
            await streams.ends(1)
            #expect(site.server.requestsInFlight == 0)
        }
    }

    @Test func endsForAClientThatDoesNotRead() async throws {
        let streams = Streams(bytesMax: 100_000)
        let site = try Site(
            configure: { $0.responseTimeout = .milliseconds(200) }, handler: streams.handler)
        let client = try await onThread { [port = site.port] in
            let client = try Client(port: port)
            try client.send(Self.request)
            return client
        }
        let stream = await streams.first()
        let piece = [UInt8](repeating: 0x2E, count: 10_000)
        while stream.send(piece) { await Task.yield() }
        // Nobody ends it but the deadline.
        await streams.ends(1)
        client.disconnect()
        #expect(await site.server.drain(within: .seconds(300)))
    }

    @Test func endsWhenTheServerStops() async throws {
        let streams = Streams()
        let site = try Site(handler: streams.handler)
        let clients = try await onThread { [port = site.port] in
            try (0..<20).map { _ in
                let client = try Client(port: port)
                try client.send(Self.request)
                return client
            }
        }
        await streams.first().send([0x2E])
        #expect(await site.server.drain(within: .seconds(86_400)))
        await streams.ends(site.requests.count)
        #expect(site.server.requestsInFlight == 0)
        try await onThread {
            for var client in clients {
                try client.readToEnd()
                client.disconnect()
            }
        }
    }

    @Test func endsAtOnceIfTheServerIsStopping() async throws {
        let gate = Gate()
        let streams = Streams()
        let site = try Site(handler: { request in
            await gate.pass()
            return await streams.handler(request)
        })
        async let chunks = Client.with(port: site.port) { client in
            try client.send(Self.request)
            let head = try client.head()
            return (head?["connection"]?.lowercased(), try client.chunk())
        }
        await gate.arrivals(1)
        async let drained = site.server.drain(within: .seconds(300))
        while site.server.traffic.withLock({ $0.phase == .serving }) { await Task.yield() }
        await gate.open()
        let (connection, chunk) = try await chunks
        #expect(connection == "close")
        #expect(chunk == "")
        #expect(await drained)
    }

    @Test func headHasNoStream() async throws {
        let streams = Streams()
        try await Site.serve(handler: streams.handler) { site in
            let head = try await Client.with(port: site.port) { client in
                try client.send("HEAD /a HTTP/1.1\r\nHost: t\r\n\r\n")
                let head = try client.head()
                try client.readToEnd()
                return head
            }
            #expect(head?["connection"]?.lowercased() == "close")
            await streams.ends(1)
        }
    }

    /// Pieces and ends come from other threads than libmicrohttpd's while it asks for them.
    @Test func survivesPiecesFromManyThreads() async throws {
        for _ in 0..<10 {
            let streams = Streams()
            try await Site.serve(handler: streams.handler) { site in
                async let size = Client.with(port: site.port) { client in
                    try client.send(Self.request)
                    _ = try client.head()
                    var size = 0
                    while let chunk = try client.chunk(), !chunk.isEmpty {
                        size += chunk.utf8.count
                    }
                    return size
                }
                let stream = await streams.first()
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            for _ in 0..<100 { stream.send(Array("0123456789".utf8)) }
                        }
                    }
                }
                stream.finish()
                let received = try await size
                #expect(received == 4000)
            }
        }
    }
}
