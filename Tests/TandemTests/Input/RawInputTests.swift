import CoordinatorAPI
import Testing

@testable import tandem

@Suite("Bytes that are no request, and requests beyond the bounds")
struct RawInputTests {
    private struct Case {
        let name: String
        let request: [UInt8]
        let status: Int
        let type: String

        init(_ name: String, _ request: [UInt8], _ status: Int, _ type: String) {
            self.name = name
            self.request = request
            self.status = status
            self.type = type
        }
    }

    private static let cases: [Case] = {
        let good = #"{"branches":[{"participant":"users","statements":[{"sql":"SELECT 1"}]}]}"#
        func sql(_ bytes: [UInt8]) -> [UInt8] {
            Array(#"{"branches":[{"participant":"users","statements":[{"sql":"SELECT '"#.utf8)
                + bytes + Array(#"'"}]}]}"#.utf8)
        }
        func post(_ body: [UInt8]) -> [UInt8] { Wire.post(body, ["Connection: close"]) }
        let large = [UInt8](repeating: 0x20, count: 3000)
        return [
            Case(
                "two thousand parameters",
                Array(
                    ("GET /v1/transactions?" + String(repeating: "a&", count: 2000)
                        + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").utf8),
                400, "invalid-request"),
            Case(
                "a list of twenty thousand bytes of query",
                Array(
                    ("GET /v1/transactions?label=" + String(repeating: "a", count: 20_000)
                        + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").utf8),
                414, "uri-too-long"),
            Case("empty", post([]), 400, "malformed-json"),
            Case("a NUL byte", post(sql([0])), 400, "malformed-json"),
            Case("broken UTF-8", post(sql([0xC3, 0x28])), 400, "malformed-json"),
            Case("an overlong slash", post(sql([0xC0, 0xAF])), 400, "malformed-json"),
            Case("half a surrogate pair", post(sql(Array(#"\ud83d"#.utf8))), 400, "malformed-json"),
            Case("UTF-16", post([0xFF, 0xFE, 0x7B, 0, 0x7D, 0]), 400, "malformed-json"),
            Case("two documents", post(Array((good + good).utf8)), 400, "malformed-json"),
            Case("an array", post(Array("[]".utf8)), 400, "invalid-request"),
            Case("over the limit", post(Array(good.utf8) + large), 413, "body-too-large"),
            Case(
                "two keys",
                Wire.post(
                    good, ["Idempotency-Key: \"a\"", "Idempotency-Key: \"b\"", "Connection: close"]),
                400, "idempotency-key-invalid"),
            Case(
                "an unquoted key",
                Wire.post(good, ["Idempotency-Key: a b", "Connection: close"]), 400,
                "idempotency-key-invalid"),
            Case(
                "a length and a coding",
                Wire.post(good, ["Transfer-Encoding: chunked", "Connection: close"]), 400,
                "malformed-http"),
            Case(
                "two hosts", Wire.post(good, ["Host: other", "Connection: close"]), 400,
                "malformed-http"),
        ]
    }()

    @Test("each is answered with a problem, and nothing runs")
    func refused() async throws {
        try await withTestbed(settings: ["limits: { bodyBytes: 2048 }"]) { testbed in
            for item in Self.cases {
                let wire = try Wire(port: testbed.client.port)
                await wire.send(item.request)
                let text = try #require(await wire.readToEnd(), "\(item.name): hangs")
                let end = try #require(text.firstRange(of: "\r\n\r\n"), "\(item.name)")
                let head = text[..<end.lowerBound]
                #expect(head.hasPrefix("HTTP/1.1 \(item.status) "), "\(item.name): \(head)")
                #expect(head.contains("application/problem+json"), "\(item.name)")
                let body = try JSONReader.read(Array(text[end.upperBound...].utf8))
                #expect(body["type"]?.string == "/problems/\(item.type)", "\(item.name)")
                #expect(body["detail"]?.string?.isEmpty == false, "\(item.name)")
            }
            let rows = try await testbed.value("state", "SELECT count(*) FROM tandem.transactions")
            #expect(rows == "0")
        }
    }

    @Test("a result beyond the rows or the bytes allowed aborts the whole")
    func resultCaps() async throws {
        let settings = ["limits: { resultRows: 10, resultBytes: 2000 }"]
        try await withTestbed(settings: settings) { testbed in
            func run(_ select: String) async throws -> Testbed.Answer {
                try await testbed.post(
                    #"{"branches":[{"participant":"orders","statements":[{"sql":"INSERT INTO "#
                        + #"orders VALUES ('x', 'y', 1)"}]},{"participant":"users","statements":"#
                        + #"[{"sql":"SELECT 1"},{"sql":"\#(select)"}]}]}"#)
            }
            for select in [
                "SELECT generate_series(1, 11)", "SELECT repeat('a', 3000)",
                "SELECT generate_series(1, 100000000)",
            ] {
                let answer = try await run(select)
                #expect(answer.status == 409, "\(select)")
                #expect(answer.type == "/problems/result-too-large", "\(select)")
                #expect(answer.body["branch"]?.integer == 1)
                #expect(answer.body["statement"]?.integer == 1)
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
            let allowed = try await run("SELECT generate_series(1, 9)")  // and one before it
            #expect(allowed.status == 201)
            try await testbed.expectQuiet(users: 0, orders: 1)
        }
    }

    @Test("an error names statement and branch, and gives PostgreSQL's report")
    func whichStatement() async throws {
        try await withTestbed { testbed in
            func body(_ branch: Int, _ statement: Int) -> String {
                let branches = (0..<3).map { index in
                    let work = (0..<3).map { position in
                        index == branch && position == statement
                            ? #"{"sql":"INSERT INTO accounts VALUES ('a', -1)"}"#
                            : #"{"sql":"INSERT INTO accounts VALUES ('\#(index)-\#(position)', 1)"}"#
                    }
                    // Two of the branches are in one participant.
                    return #"{"participant":"\#(index == 1 ? "orders" : "users")","statements":["#
                        + work.joined(separator: ",") + "]}"
                }
                return #"{"branches":[\#(branches.joined(separator: ","))]}"#
            }
            for branch in 0..<3 {
                for statement in 0..<3 {
                    let answer = try await testbed.post(body(branch, statement))
                    #expect(answer.status == 409)
                    #expect(answer.type == "/problems/statement-failed")
                    #expect(answer.body["branch"]?.integer == branch)
                    #expect(answer.body["statement"]?.integer == statement)
                    #expect(answer.body["sqlstate"]?.string == "23514")
                    let said = answer.body["postgres"]
                    #expect(said?["message"]?.string?.contains("accounts") == true)
                    #expect(said?["table"]?.string == "accounts")
                    #expect(said?["schema"]?.string == "public")
                }
            }
            for name in ["users", "orders"] {
                #expect(try await testbed.value(name, "SELECT count(*) FROM accounts") == "0")
            }
            let misspelt = try await testbed.run("SELECT id FROM users WHERE nmae = 'a'")
            #expect(misspelt.body["sqlstate"]?.string == "42703")
            #expect(misspelt.body["postgres"]?["position"]?.integer == 28)
            #expect(try await testbed.commits(body(9, 9)))
            #expect(try await testbed.value("users", "SELECT count(*) FROM accounts") == "6")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }
}
