import CoordinatorAPI
import Foundation
import Testing

@testable import tandem

@Suite("Clients that leave, half close, drip, or come again")
struct ClientTests {
    @Test("a client that leaves cancels nothing that was accepted")
    func leaves() async throws {
        try await withTestbed { testbed in
            let body =
                #"{"branches":[{"participant":"users","statements":[{"sql":"\#(Testbed.waiting)"},"#
                + #"{"sql":"INSERT INTO users VALUES ('u1', 'x')"}]},{"participant":"orders","#
                + #""statements":[{"sql":"INSERT INTO orders VALUES ('o1', 'u1', 1)"}]}],"#
                + #""timeoutMilliseconds":60000}"#
            let wire = try Wire(port: testbed.client.port)
            await wire.send(Wire.post(body, ["Idempotency-Key: \"left\""]))
            try await testbed.untilRunning("DO $$", in: "users")
            wire.reset()
            try await testbed.go("users")
            try await testbed.until("it is committed all the same") {
                try await testbed.value("users", "SELECT count(*) FROM users") == "1"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
            // A client that comes back with the key gets the answer that was missed.
            let replay = try await testbed.post(body, key: "left")
            #expect(replay.status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a client that half closes after its request gets its answer")
    func halfCloses() async throws {
        try await withTestbed { testbed in
            let wire = try Wire(port: testbed.client.port)
            await wire.send(Wire.post(Testbed.pair("u1", "o1")))
            wire.halfClose()
            let answer = try #require(await wire.readToEnd())
            #expect(answer.hasPrefix("HTTP/1.1 201 "))
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a request that breaks off or drips is ended by the server, and nothing of it runs")
    func breaksOff() async throws {
        let settings = ["http: { headerTimeoutSeconds: 3, bodyTimeoutSeconds: 3 }"]
        try await withTestbed(settings: settings) { testbed in
            let whole = Wire.post(Testbed.pair("u1", "o1"))
            let head = Wire.post([])
            let pieces: [(name: String, bytes: [UInt8], closes: Bool)] = [
                ("half a head", Array(head.prefix(40)), false),
                ("half a head, half closed", Array(head.prefix(40)), true),
                ("half a body", Array(whole.dropLast(9)), false),
                ("half a body, half closed", Array(whole.dropLast(9)), true),
                ("nothing", [], false),
            ]
            for piece in pieces {
                let wire = try Wire(port: testbed.client.port)
                await wire.send(piece.bytes)
                if piece.closes { wire.halfClose() }
                let answer = try #require(await wire.readToEnd(), "\(piece.name): hangs")
                // A client that has sent the first line gets an answer; before it there is nothing to
                // answer.
                let isAnswered =
                    answer.hasPrefix("HTTP/1.1 408 ")
                    && answer.contains("/problems/request-timeout")
                #expect(isAnswered || answer.isEmpty, "\(piece.name): \(answer)")
                // libmicrohttpd may see at once that what is half closed cannot come any more.
                let mustBeAnswered = !piece.bytes.isEmpty && !piece.closes
                if mustBeAnswered { #expect(isAnswered, "\(piece.name)") }
            }
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "0")
            #expect(try await testbed.post(Testbed.pair("u2", "o2")).status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a client that takes its time is served like any other")
    func slow() async throws {
        try await withTestbed { testbed in
            let wire = try Wire(port: testbed.client.port)
            let request = Wire.post(Testbed.pair("u1", "o1"), ["Connection: close"])
            for byte in request.prefix(30) { await wire.send([byte]) }
            let rest = request.dropFirst(30)
            for start in stride(from: rest.startIndex, to: rest.endIndex, by: 40) {
                await wire.send(rest[start..<min(start + 40, rest.endIndex)])
            }
            let answer = try #require(await wire.readToEnd())
            #expect(answer.hasPrefix("HTTP/1.1 201 "))
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("requests sent ahead of their answers are answered in order, each executed once")
    func pipelined() async throws {
        try await withTestbed { testbed in
            let wire = try Wire(port: testbed.client.port)
            await wire.send(
                Wire.post(Testbed.pair("u1", "o1")) + Wire.post(Testbed.pair("u2", "o1"))
                    + Wire.post(Testbed.pair("u3", "o3"), ["Connection: close"]))
            let answers = try #require(await wire.readToEnd())
            let statuses = answers.split(separator: "HTTP/1.1 ").map { String($0.prefix(3)) }
            #expect(statuses == ["201", "409", "201"])
            try await testbed.expectQuiet(users: 2, orders: 2)
        }
    }
}
