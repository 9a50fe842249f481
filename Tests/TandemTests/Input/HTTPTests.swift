import CoordinatorAPI
import Testing

@testable import tandem

@Suite("HTTP as RFC 9110 and RFC 9112 have it, from outside")
struct HTTPTests {
    private static func ask(
        _ testbed: Testbed, _ line: String, _ fields: [String] = [], body: String = ""
    ) async throws -> Testbed.Answer {
        let length = body.isEmpty ? [] : ["Content-Length: \(body.utf8.count)"]
        let head = [line + " HTTP/1.1", "Host: localhost", "Connection: close"] + fields + length
        let answer = try await testbed.client.send(
            head.joined(separator: "\r\n") + "\r\n\r\n" + body)
        return try Testbed.answer(answer, isJSON: answer.body.hasPrefix("{"))
    }

    /// The head without what tells one moment from another.
    private func lasting(_ head: String) -> [Substring] {
        head.split(separator: "\r\n").filter { !$0.hasPrefix("Date:") }
    }

    @Test("HEAD is answered as GET is, on every resource, without the body")
    func head() async throws {
        try await withTestbed { testbed in
            let posted = try await testbed.post(Testbed.pair("u1", "o1"))
            let id = try #require(posted.body["id"]?.string)
            try await testbed.expectQuiet(users: 1, orders: 1)
            for path in [
                "/v1/transactions", "/v1/transactions/\(id)",
                "/v1/transactions/\(id)?waitSeconds=1",
                "/v1/transactions?limit=0", "/v1/transactions/9-0000000000000009",
                "/v1/participants/none", "/livez", "/readyz", "/openapi.yaml", "/openapi.json",
                "/v1/none",
                "/v1/transactions/\(id)/rollback",
            ] {
                for fields in [[], ["Accept: text/plain"]] {
                    let get = try await Self.ask(testbed, "GET \(path)", fields)
                    let head = try await Self.ask(testbed, "HEAD \(path)", fields)
                    #expect(lasting(head.head) == lasting(get.head), "\(path)")
                    #expect(head.field("content-length") == "\(get.text.utf8.count)")
                    #expect(head.field("date") != nil)
                    #expect(head.text.isEmpty)
                }
            }
            // A page says how old what it shows is, so its length changes with the time.
            let get = try await Self.ask(testbed, "GET /")
            let head = try await Self.ask(testbed, "HEAD /")
            func lastingOfPage(_ head: String) -> [Substring] {
                lasting(head).filter { !$0.hasPrefix("Content-Length:") }
            }
            #expect(head.status == 200)
            #expect(lastingOfPage(head.head) == lastingOfPage(get.head))
            #expect(head.field("content-length") != nil)
            #expect(head.text.isEmpty)
        }
    }

    @Test("conditions: If-None-Match compares weakly, If-Match strongly, and says so")
    func conditions() async throws {
        try await withTestbed { testbed in
            let id = try #require(
                try await testbed.post(Testbed.pair("u1", "o1")).body["id"]?.string)
            try await testbed.expectQuiet(users: 1, orders: 1)
            let path = "/v1/transactions/\(id)"
            let tag = try await testbed.entityTag(id)
            for condition in [tag, "W/\(tag)", "\"x\", W/\(tag)", "*"] {
                for method in ["GET", "HEAD"] {
                    let same = try await Self.ask(
                        testbed, "\(method) \(path)", ["If-None-Match: \(condition)"])
                    #expect(same.status == 304, "\(condition)")
                    #expect(same.field("etag") == tag)
                    #expect(same.text.isEmpty)
                }
                let isWeak = condition.contains("W/")
                let get = try await Self.ask(testbed, "GET \(path)", ["If-Match: \(condition)"])
                #expect(get.status == (isWeak ? 412 : 200), "\(condition)")
                // The refusal that is not for the condition: nothing is left to resolve.
                let word = try await testbed.post(
                    path + "/resolution", ResolutionTests.body(0, "committed"),
                    fields: ["If-Match: \(condition)"])
                #expect(word.status == (isWeak ? 412 : 409), "\(condition)")
                // The decision stands; nothing is asked of it under a condition that fails.
                let back = try await testbed.post(
                    path + "/rollback", "", fields: ["If-Match: \(condition)"])
                #expect(back.status == (isWeak ? 412 : 409), "\(condition)")
                let problem = try Testbed.answer(word)
                let detail = try #require(problem.body["detail"]?.string)
                #expect(detail.contains("W/") == isWeak, "\(detail)")
                // Nothing has changed where all of the tags are weak.
                #expect(detail.contains("no longer") == condition.hasPrefix("\"x\""), "\(detail)")
            }
            for condition in ["x", "\"x", "w/\"x\"", "*, \"x\""] {
                for line in ["GET \(path)", "POST \(path)/resolution"] {
                    let refused = try await Self.ask(
                        testbed, line,
                        ["If-Match: \(condition)", "Content-Type: application/json"],
                        body: ResolutionTests.body(0, "committed"))
                    #expect(refused.status == 400, "\(condition)")
                    #expect(refused.body["errors"]?[0]?["header"]?.string == "If-Match")
                }
            }
        }
    }

    @Test("a coded body is refused with 415 and what is taken; an expectation with 417")
    func bodies() async throws {
        try await withTestbed { testbed in
            func post(_ fields: [String]) async throws -> Testbed.Answer {
                try await Self.ask(
                    testbed, "POST /v1/transactions", fields, body: Testbed.pair("u1", "o1"))
            }
            let json = "Content-Type: application/json"
            for coding in ["gzip", "identity, br", "x-gzip"] {
                let coded = try await post([json, "Content-Encoding: \(coding)"])
                #expect(coded.status == 415)
                #expect(coded.type == "/problems/unsupported-media-type")
                #expect(coded.field("accept-encoding") == "identity")
                #expect(coded.field("accept") == nil)
            }
            for fields in [[], ["Content-Type: text/plain"], [json, json]] {
                let other = try await post(fields)
                #expect(other.status == 415)
                #expect(other.field("accept") == "application/json")
                #expect(other.field("accept-encoding") == nil)
            }
            let unmet = try await post([json, "Expect: a-wonder"])
            #expect(unmet.status == 417)
            #expect(unmet.type == "/problems/expectation-failed")
            let zipped = try await Self.ask(
                testbed, "POST /v1/transactions", [json, "Transfer-Encoding: gzip, chunked"])
            #expect(zipped.status == 501)
            #expect(zipped.type == "/problems/not-implemented")
            #expect(
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "0")
            let plain = try await post([json, "Content-Encoding: identity"])
            #expect([201, 202].contains(plain.status))
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a target is a path, a whole URI, or the server; a tunnel is not offered")
    func targets() async throws {
        try await withTestbed { testbed in
            let posted = try await Self.ask(
                testbed, "POST http://localhost:1/v1/transactions",
                ["Content-Type: application/json"], body: Testbed.pair("u1", "o1"))
            #expect([201, 202].contains(posted.status))
            let location = try #require(posted.field("location"))
            #expect(location.hasPrefix("/v1/transactions/"))
            try await testbed.expectQuiet(users: 1, orders: 1)
            for target in [
                location, "http://localhost\(location)?waitSeconds=1",
                "https://127.0.0.1\(location)",
                location.replacing("transactions", with: "%74ransactions"),
            ] {
                let status = try await Self.ask(testbed, "GET \(target)")
                #expect(status.body["state"]?.string == "committed", "\(target)")
            }
            let options = try await Self.ask(testbed, "OPTIONS *")
            #expect(options.status == 204)
            #expect(options.field("allow") == "GET, HEAD, OPTIONS, POST")
            let tunnel = try await Self.ask(testbed, "CONNECT elsewhere:80")
            #expect(tunnel.status == 501)
            #expect(tunnel.type == "/problems/not-implemented")
        }
    }
}
