import CoordinatorAPI
import EventLoop
import Glibc
import HTTPServer
import HTTPTypes
import PostgresClusters
import Testing

@testable import tandem

@Suite("Traces reach a collector")
struct TracingTests {
    /// Keeps what is posted to it.
    private final class Collector: Sendable {
        let bodies = Lock<[[UInt8]]>([])
        let port: UInt16
        private let server: Server

        init() throws {
            let bodies = bodies
            server = Server(
                configuration: ServerConfiguration(), loop: .shared,
                renderFailure: { _ in ServerResponse(status: .badRequest) },
                handler: { request, answer in
                    if request.path == "/v1/traces",
                        request.headerFields[.contentType] == "application/x-protobuf"
                    {
                        bodies.withLock { $0.append(request.body) }
                    }
                    answer(ServerResponse(status: .ok))
                })
            port = try server.start()
        }

        func has(_ bytes: [UInt8]) -> Bool {
            bodies.withLock { $0.contains { $0.firstRange(of: bytes) != nil } }
        }

        func stop() async { _ = await server.drain(within: .seconds(300)) }
    }

    private static let trace: [UInt8] = [
        0x4B, 0xF9, 0x2F, 0x35, 0x77, 0xB3, 0x4D, 0xA6, 0xA3, 0xCE, 0x92, 0x9D, 0x0E, 0x0E, 0x47,
        0x36,
    ]

    @Test("and continue the trace of the caller who samples it")
    func exported() async throws {
        let collector = try Collector()
        try await withTestbed(
            settings: [
                "tracing: { endpoint: 'http://127.0.0.1:\(collector.port)/v1/traces', sampleRatio: 0 }"
            ]
        ) { testbed in
            let body = #"""
                {"branches":[{"participant":"users","statements":[{"sql":"SELECT 1"}]}]}
                """#
            func begin(_ traceparent: String) async throws -> String {
                let answer = try await testbed.client.send(
                    "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                        + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
                        + "traceparent: \(traceparent)\r\n\r\n" + body)
                let json = try Testbed.answer(answer).body
                return try #require(json["id"]?.string, "\(answer.body)")
            }
            let unsampled = try await begin(
                "00-0000000000000000000000000000abcd-00f067aa0ba902b7-00")
            let sampled = try await begin(
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            try await testbed.until("the collector has the transaction") {
                collector.has(Array(sampled.utf8))
            }
            #expect(collector.has(Self.trace))
            #expect(collector.has(Array("PREPARE TRANSACTION users".utf8)))
            #expect(!collector.has(Array(unsampled.utf8)))
        }
        await collector.stop()
    }

    @Test("and continue it after a crash: the row keeps the caller's place in it")
    func takenOver() async throws {
        let collector = try Collector()
        try await withTestbed(
            settings: [
                "tracing: { endpoint: 'http://127.0.0.1:\(collector.port)/v1/traces', sampleRatio: 0 }"
            ]
        ) { testbed in
            try await testbed.untilAvailable()
            let crashing = try await testbed.restarted(failing: "decideCommit.after=kill")
            _ = try? await crashing.post(
                "/v1/transactions", Testbed.journalled("u1"),
                fields: ["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
            #expect(await crashing.replica.process.exitStatus() == .signalled(SIGKILL))
            try await testbed.nextIncarnation()
            try await testbed.until("the collector has the transaction") {
                collector.has(Array("taken over".utf8))
            }
            #expect(collector.has(Self.trace))
            #expect(collector.has(Array("COMMIT PREPARED users".utf8)))
            let listed = try await testbed.client.get("/v1/transactions")
            let first = try Testbed.answer(listed).body["transactions"]?[0]
            #expect(first?["traceId"]?.string == "4bf92f3577b34da6a3ce929d0e0e4736")
            #expect(first?["state"]?.string == "committed")
        }
        await collector.stop()
    }
}
