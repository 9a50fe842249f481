import HTTPTypes
import Testing

@testable import HTTPServer

/// What a handler reads of a request's header fields, and what a response can have.
@Suite(.overEveryTransport) struct Fields {
    private func values(_ fields: String, _ name: FieldName) async throws -> String {
        var body = ""
        try await Site.serve(handler: { request in
            let value = request.headerFields[name].map { "[\($0)]" } ?? "none"
            return ServerResponse(status: .ok, body: Array(value.utf8))
        }) { site in
            body = try await Client.with(port: site.port) { client in
                try client.send("GET /a HTTP/1.1\r\nHost: t\r\n\(fields)\r\n")
                return try client.reply()?.body ?? ""
            }
        }
        return body
    }

    @Test(arguments: [
        ("", "none"), ("Accept: a\r\n", "[a]"), ("aCCEPT:a\r\n", "[a]"), ("Accept:\r\n", "[]"),
        ("Accept: \t a b \t \r\n", "[a b]"), ("Accept: a\r\nB: b\r\nACCEPT: c, d\r\n", "[a, c, d]"),
        ("Accepts: a\r\nXccept: b\r\nAccep: c\r\n", "none"), ("Accept: é\r\n", "[é]"),
    ])
    func readsFieldByName(_ fields: String, _ expected: String) async throws {
        #expect(try await values(fields, .accept) == expected)
    }

    /// A hyphen differs in one bit from a carriage return alone, which no name has.
    @Test func comparesHyphensAsTheyAre() async throws {
        #expect(try await values("Content-Type: a\r\n", .contentType) == "[a]")
        #expect(try await values("Content_Type: a\r\n", .contentType) == "none")
    }

    @Test func readsHostOfTarget() async throws {
        #expect(try await values("", .host) == "[t]")
    }

    @Test func responseHasEachFieldOnce() {
        var fields: ResponseFields = [.allow: "GET", .vary: "Accept"]
        fields[.allow] = "PUT"
        fields[.eTag] = "\"1\""
        fields[.vary] = nil
        fields[.location] = nil
        #expect(fields == [.allow: "PUT", .eTag: "\"1\""])
        #expect(fields[.allow] == "PUT")
        #expect(fields[.vary] == nil)
    }
}
