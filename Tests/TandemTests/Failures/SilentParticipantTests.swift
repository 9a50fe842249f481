import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("A participant that is there and says nothing")
struct SilentParticipantTests {
    @Test("it accepts connections and never answers: 503, and others are served")
    func neverAnswers() async throws {
        let hole = try BlackHole()
        let silent =
            "  - { name: silent, connectTimeoutMilliseconds: 500, conninfo: "
            + "\"host=127.0.0.1 port=\(hole.port) dbname=x user=x\" }"
        try await withTestbed(settings: [silent]) { testbed in
            let body =
                #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users "#
                + #"VALUES ('u1', 'x')"}]},{"participant":"silent","statements":[{"sql":"#
                + #""SELECT 1"}]}]}"#
            let refused = try await testbed.post(body)
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/participant-unavailable")
            #expect(refused.body["participant"]?.string == "silent")
            #expect(refused.field("retry-after") != nil)
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "0")
            // It is no reason for this replica not to be ready, or not to serve others.
            #expect(try await testbed.get("/readyz").status == 200)
            #expect(
                try await testbed.get("/v1/participants/silent").body["state"]?.string
                    == "unavailable")
            #expect(try await testbed.post(Testbed.pair("u2", "o2")).status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    /// The server is frozen with connections open, so that BEGIN to PREPARE lies in its sockets.
    ///
    /// When it thaws it does the late work; the fence and the scan must leave nothing of it.
    @Test("it freezes under the work: the deadline answers, and late work is rolled back")
    func freezes() async throws {
        let settings = [
            "transactions: { scanIntervalMilliseconds: 200, recoveryIntervalMilliseconds: 200 }"
        ]
        try await withTestbed(settings: settings) { testbed in
            let orders = try testbed.cluster("orders")
            await orders.suspend()
            let body = Testbed.pair("u1", "o1").dropLast() + #","timeoutMilliseconds":1000}"#
            let aborted = try await testbed.post(String(body))
            #expect(aborted.status == 409)
            #expect(aborted.type == "/problems/deadline-exceeded")
            #expect(aborted.body["retryable"] == .bool(true))
            // The other branch was rolled back, and its participant is free for others.
            try await testbed.until("the other branch is rolled back") {
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "0"
            }
            #expect(try await testbed.run("INSERT INTO users VALUES ('u2', 'x')").status == 201)
            await orders.resume()
            try await testbed.until("it is used again") {
                try await testbed.post(Testbed.pair("u3", "o3")).status == 201
            }
            try await testbed.expectQuiet(users: 2, orders: 1)
            #expect(try await testbed.value("orders", "SELECT id FROM orders") == "o3")
        }
    }

    /// A cancel request to a frozen server hangs until it thaws; others' must not wait behind it.
    @Test("many transactions hang in it, and cancelling in another participant works at once")
    func doesNotHoldUpOthers() async throws {
        try await withTestbed(settings: ["limits: { resultRows: 10 }"]) { testbed in
            let orders = try testbed.cluster("orders")
            // Every working session is there before the frost.
            let client = testbed.client
            let nap =
                #"{"branches":[{"participant":"orders","statements":[{"sql":"SELECT pg_sleep(1)"}]}"#
                + #"],"timeoutMilliseconds":30000}"#
            func twelve(_ body: String) async throws -> [Int] {
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<12 {
                        group.addTask { try await client.post("/v1/transactions", body).status }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
            }
            #expect(try await twelve(nap) == Array(repeating: 201, count: 12))
            await orders.suspend()
            let stuck = try await twelve(
                #"{"branches":[{"participant":"orders","statements":[{"sql":"INSERT INTO orders "#
                    + #"VALUES ('late', 'u', 1)"}]}],"timeoutMilliseconds":500}"#)
            #expect(stuck == Array(repeating: 409, count: 12))
            // This one can only be answered by cancelling what would run for minutes.
            let capped = try await testbed.run(
                "SELECT generate_series(1, 1000000000)", "[]",
                #","timeoutMilliseconds":60000"#)
            #expect(capped.type == "/problems/result-too-large")
            await orders.resume()
            try await testbed.until("the participant is used again") {
                try await testbed.post(Testbed.pair("u1", "o1")).status == 201
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}

/// A listener whose connections the kernel accepts and nobody ever answers.
private final class BlackHole: Sendable {
    let port: UInt16
    private let socket: Int32

    init() throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let socket = socket
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 128) == 0
                    && getsockname(socket, $0, &length) == 0
            }
        }
        try #require(isBound)
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(socket) }
}
