import Testing

/// A request that two readers could take in two ways hides a second one from the first reader.
///
/// Each of these is refused, the connection is closed, and the request behind it never runs.
@Suite(.overEveryTransport) struct MalformedFraming {
    static let smuggled = "GET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"

    static func post(_ fields: String, body: String = "") -> String {
        "POST / HTTP/1.1\r\nHost: t\r\n\(fields)\r\n\(body)"
    }

    static func get(_ fields: String) -> String {
        "GET / HTTP/1.1\r\nHost: t\r\n\(fields)\r\n"
    }

    static let lengths: [NamedRequest] = [
        NamedRequest(
            "length and coding",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "coding and length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", body: "a")),
        NamedRequest(
            "the same length twice", post("Content-Length: 1\r\nContent-Length: 1\r\n", body: "a")),
        NamedRequest("a list of lengths", post("Content-Length: 1, 1\r\n", body: "a")),
        NamedRequest("a negative length", post("Content-Length: -1\r\n")),
        NamedRequest("a length with a plus", post("Content-Length: +1\r\n", body: "a")),
        NamedRequest("a hexadecimal length", post("Content-Length: 0x1\r\n", body: "a")),
        NamedRequest("an empty length", post("Content-Length: \r\n")),
        NamedRequest("a length over 64 bits", post("Content-Length: 18446744073709551617\r\n")),
        NamedRequest("a length of 64 bits", post("Content-Length: 18446744073709551615\r\n")),
        NamedRequest("a length of 63 bits", post("Content-Length: 9223372036854775807\r\n")),
    ]

    static let codings: [NamedRequest] = [
        NamedRequest("an unknown coding", post("Transfer-Encoding: gzip\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a list of codings", post("Transfer-Encoding: gzip, chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest("identity", post("Transfer-Encoding: identity\r\n")),
        NamedRequest(
            "a coding like chunked", post("Transfer-Encoding: xchunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a quoted coding", post("Transfer-Encoding: \"chunked\"\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "two codings",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a list in two fields",
            post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "chunked twice", post("Transfer-Encoding: chunked, chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a list with nothing at its end",
            post("Transfer-Encoding: chunked,\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a list with nothing but chunked",
            post("Transfer-Encoding: , chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "chunked with a parameter",
            post("Transfer-Encoding: chunked;q=1\r\n", body: "0\r\n\r\n")),
        NamedRequest("an empty coding", post("Transfer-Encoding:\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "chunked in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        NamedRequest(
            "a space before the colon", post("Transfer-Encoding : chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a chunk's size is no number", post("Transfer-Encoding: chunked\r\n", body: "x\r\n")),
        NamedRequest(
            "a chunk of negative size", post("Transfer-Encoding: chunked\r\n", body: "-1\r\na\r\n")),
        NamedRequest(
            "a chunk of a size over 64 bits",
            post("Transfer-Encoding: chunked\r\n", body: "10000000000000001\r\na\r\n0\r\n\r\n")),
        NamedRequest(
            "a chunk's extension over the memory",
            post(
                "Transfer-Encoding: chunked\r\n",
                body: "1;\(String(repeating: "a", count: 40_000))\r\na\r\n0\r\n\r\n")),
        NamedRequest(
            "trailers over the memory",
            post(
                "Transfer-Encoding: chunked\r\n",
                body: "0\r\nA: \(String(repeating: "a", count: 40_000))\r\n\r\n")),
        NamedRequest(
            "a chunk longer than its size",
            post("Transfer-Encoding: chunked\r\n", body: "1\r\nabc\r\n0\r\n\r\n")),
    ]

    /// Spellings by which one reader of two can be led to see a length or a coding, and the other none.
    static let disguises: [NamedRequest] = [
        NamedRequest("a length with an exponent", post("Content-Length: 1e0\r\n", body: "a")),
        NamedRequest("a length with a fraction", post("Content-Length: 1.0\r\n", body: "a")),
        NamedRequest("a length with an underscore", post("Content-Length: 1_0\r\n", body: "a")),
        NamedRequest("a length with a second number", post("Content-Length: 1 2\r\n", body: "a")),
        NamedRequest("a length in quotes", post("Content-Length: \"1\"\r\n", body: "a")),
        NamedRequest("a length with a parameter", post("Content-Length: 1;a\r\n", body: "a")),
        NamedRequest("a length in other digits", post("Content-Length: ١\r\n", body: "a")),
        NamedRequest(
            "a space before the length's colon", post("Content-Length : 1\r\n", body: "a")),
        NamedRequest(
            "a tab before the coding's colon",
            post("Transfer-Encoding\t: chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a vertical tab before the coding",
            post("Transfer-Encoding: \u{b}chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a form feed behind the coding",
            post("Transfer-Encoding: chunked\u{c}\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a coding in single quotes",
            post("Transfer-Encoding: 'chunked'\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a coding that is not ASCII",
            post("Transfer-Encoding: chunkeď\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a coding behind a carriage return",
            post("A: b\rTransfer-Encoding: chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a coding behind a line feed",
            post("A: b\nTransfer-Encoding: chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a control character in the coding's name",
            post("Transfer-Encoding\u{1}: chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "a coding and a length in other letters",
            post("TRANSFER-ENCODING: CHUNKED\r\ncontent-length: 5\r\n", body: "0\r\n\r\n")),
        NamedRequest(
            "three lengths of which two agree",
            post("Content-Length: 1\r\nA: b\r\nContent-Length: 1\r\nContent-Length: 9\r\n")),
        NamedRequest(
            "a chunk's size with a plus",
            post("Transfer-Encoding: chunked\r\n", body: "+1\r\na\r\n0\r\n\r\n")),
        NamedRequest(
            "a chunk's size with 0x",
            post("Transfer-Encoding: chunked\r\n", body: "0x1\r\na\r\n0\r\n\r\n")),
        NamedRequest(
            "a chunk's size behind a space",
            post("Transfer-Encoding: chunked\r\n", body: " 1\r\na\r\n0\r\n\r\n")),
        NamedRequest(
            "a chunk without a size",
            post("Transfer-Encoding: chunked\r\n", body: "\r\na\r\n0\r\n\r\n")),
        NamedRequest(
            "a chunk without an end of line",
            post("Transfer-Encoding: chunked\r\n", body: "1\r\na0\r\n\r\n")),
    ]

    static let heads: [NamedRequest] = [
        NamedRequest("two hosts", get("Host: u\r\n")),
        NamedRequest("no host", "GET / HTTP/1.1\r\nAccept: */*\r\n\r\n"),
        NamedRequest("no field at all", "GET / HTTP/1.1\r\n\r\n"),
        NamedRequest("NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("NUL at the target's end", "GET /a\0 HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("NUL in the query", "GET /a?b\0c HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest(
            "NUL in the target and many parameters behind it",
            "GET /a\0HTTP/1.1\0\0?"
                + String(repeating: "b&", count: 2_000) + " HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest(
            "NUL in the target and many arguments with values behind it",
            "GET /a\0?" + String(repeating: "b=c&", count: 1_000) + " HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("NUL in the method", "GE\0T /a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("NUL in a value", get("A: b\0c\r\nD: e\r\n")),
        NamedRequest("NUL in the last value", get("A: b\0c\r\n")),
        NamedRequest("NUL at the last value's end", get("A: b\0\r\n")),
        NamedRequest("NUL in a name", get("A\0B: c\r\n")),
        NamedRequest("NUL in the length", post("Content-Length: 1\u{0}0\r\n", body: "a")),
        NamedRequest("a control character in a value", get("A: b\u{1}c\r\n")),
        NamedRequest("a line that begins with NUL", get("\0\r\n")),
        NamedRequest("a line that begins with NUL, and another", get("\0A: b\r\nC: d\r\n")),
        NamedRequest("a line feed alone", "GET / HTTP/1.1\nHost: t\r\n\r\n"),
        NamedRequest("a line feed alone in the fields", get("A: b\nC: d\r\n")),
        NamedRequest("a line feed alone at the end", "GET / HTTP/1.1\r\nHost: t\r\n\n"),
        NamedRequest("a carriage return alone", get("A: b\rC: d\r\n")),
        NamedRequest("a folded value", get("A: b\r\n c\r\n")),
        NamedRequest("a folded value and another", get("A: b\r\n\tc\r\nD: e\r\n")),
        NamedRequest(
            "a folded coding", post("Transfer-Encoding:\r\n chunked\r\n", body: "0\r\n\r\n")),
        NamedRequest("a first line that is folded", "GET / HTTP/1.1\r\n Host: t\r\n\r\n"),
        NamedRequest("a line without a colon", get("A\r\n")),
        NamedRequest("an empty name", get(": a\r\n")),
        NamedRequest("a name that is no token", get("A(B): c\r\n")),
        NamedRequest(
            "two hosts beside a whole URI", "GET http://t/ HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n"),
        NamedRequest("a whole URI and no host", "GET http://t/ HTTP/1.1\r\nAccept: */*\r\n\r\n"),
        NamedRequest("a user in the URI", "GET http://u@t/ HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a URI without a host", "GET http:///a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a URI with a port alone", "GET http://:80/a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a URI with a broken host", "GET http://[::1/a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a URI with a fragment", "GET http://t#a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a URI of another scheme", "GET ftp://t/a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a relative target", "GET a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a host with a user", "GET / HTTP/1.1\r\nHost: u@t\r\n\r\n"),
        NamedRequest("a host with a path", "GET / HTTP/1.1\r\nHost: t/a\r\n\r\n"),
        NamedRequest("a host with a space", "GET / HTTP/1.1\r\nHost: t u\r\n\r\n"),
        NamedRequest("a host with a port that is none", "GET / HTTP/1.1\r\nHost: t:u\r\n\r\n"),
        NamedRequest("the authority form", "CONNECT t:80 HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("CONNECT without a port", "CONNECT t HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("CONNECT to a path", "CONNECT /a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("the authority form for GET", "GET t:80 HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("an asterisk for GET", "GET * HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a space in the target", "GET /a b HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("two spaces before the target", "GET  /a HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("two spaces behind the target", "GET /a  HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a tab in the target", "GET /a\tb HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a target that is not ASCII", "GET /é HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("no target", "GET HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("no version", "GET /\r\nHost: t\r\n\r\n"),
        NamedRequest("version 2.0", "GET / HTTP/2.0\r\nHost: t\r\n\r\n"),
        NamedRequest("version 0.9", "GET / HTTP/0.9\r\nHost: t\r\n\r\n"),
        NamedRequest("version 1.10", "GET / HTTP/1.10\r\nHost: t\r\n\r\n"),
        NamedRequest("a version in small letters", "GET / http/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a version that is none", "GET / PTTH/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("a method that is no token", "G(T / HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest("an unknown expectation", post("Expect: 200-ok\r\nContent-Length: 0\r\n")),
        NamedRequest(
            "too many fields",
            get((0...100).map { "A\($0): b\r\n" }.joined())),
        NamedRequest(
            "a field over the memory", get("A: \(String(repeating: "b", count: 40_000))\r\n")),
        NamedRequest(
            "cookies over the memory",
            get("Cookie: \(String(repeating: "a=b;", count: 4_000))\r\n")),
        NamedRequest(
            "fields over the memory by their number", get(String(repeating: "a:\r\n", count: 4_000))
        ),
        NamedRequest(
            "a target over the limit",
            "GET /\(String(repeating: "a", count: 9_000)) HTTP/1.1\r\nHost: t\r\n\r\n"),
        NamedRequest(
            "a target over the memory",
            "GET /\(String(repeating: "a", count: 40_000)) HTTP/1.1\r\nHost: t\r\n\r\n"),
    ]

    /// What libmicrohttpd answers by itself, before it asks anybody (decisions/0007).
    ///
    /// All else has to be a problem, and is 400 where the other table does not say otherwise.
    static let answeredByTheLibrary: [String: Int] = [
        "a list of lengths": 400, "a negative length": 400, "a length with a plus": 400,
        "a hexadecimal length": 400, "an empty length": 400, "a length over 64 bits": 413,
        "a length with an exponent": 400, "a length with a fraction": 400,
        "a length with an underscore": 400, "a length with a second number": 400,
        "a length in quotes": 400, "a length with a parameter": 400,
        "a length in other digits": 400, "a chunk's size with a plus": 400,
        "a chunk's size with 0x": 400, "a chunk's size behind a space": 400,
        "a chunk without a size": 400, "a chunk without an end of line": 400,
        "a chunk's size is no number": 400, "a chunk of negative size": 400,
        "a chunk of a size over 64 bits": 413, "a chunk longer than its size": 400,
        "a chunk's extension over the memory": 500, "trailers over the memory": 431,
        "NUL in a name": 400, "a line without a colon": 400, "no target": 400, "no version": 400,
        "version 2.0": 505, "version 0.9": 505, "version 1.10": 400,
        "a version in small letters": 400, "a version that is none": 400,
        "cookies over the memory": 431, "fields over the memory by their number": 431,
        "a field over the memory": 431, "a target over the memory": 414,
    ]

    static let problemStatuses: [String: Int] = [
        "a target over the limit": 414, "too many fields": 431,
        "an unknown expectation": 417, "the authority form": 501, "a list of codings": 501,
        "a list in two fields": 501,
    ]

    @Test(arguments: lengths + codings + disguises + heads)
    func isRefusedAndClosed(_ example: NamedRequest) async throws {
        try await Site.serve { site in
            let reply = try await Client.with(port: site.port) { client in
                try client.send(example.text + Self.smuggled)
                let reply = try client.reply()
                // Whatever comes besides, the end has to.
                try client.readToEnd()
                return reply
            }
            let answer = try #require(reply)
            if let status = Self.answeredByTheLibrary[example.testDescription] {
                #expect(answer.status == status)
                #expect(answer["content-type"] == nil)
            } else {
                #expect(answer.status == Self.problemStatuses[example.testDescription] ?? 400)
                #expect(answer["content-type"] == "application/problem+json")
            }
            #expect(answer["connection"]?.lowercased() == "close")
            #expect(site.requests.isEmpty)
        }
    }
}
