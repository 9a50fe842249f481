import HTTPServer
import Testing

@testable import CoordinatorAPI

@Suite("Header fields")
struct HeaderReading {
    @Test("A condition is an asterisk or a list of entity tags")
    func conditions() {
        for good in [
            "*", "\"a\"", "W/\"a\"", "\"a\", \"b\"", "\"\"",
            "\"a\\\", \"b\"", "W/\"\\\"",
        ] {
            #expect(EntityTag.isCondition(good), "\(good)")
        }
        for bad in ["", "a", "\"", "\"a", "*, \"a\"", "\"a b\"", "\"a\" \"b\"", "w/\"a\"", ","] {
            #expect(!EntityTag.isCondition(bad), "\(bad)")
        }
    }

    @Test(
        "An Idempotency-Key is a string in double quotes",
        arguments: [
            ("\"order-4711\"", "order-4711"), ("\"a \\\"b\\\\\"", "a \"b\\"), ("  \" \"  ", " "),
            ("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"\(String(repeating: "k", count: 255))\"", String(repeating: "k", count: 255)),
        ])
    func keys(_ field: String, _ expected: String) throws {
        #expect(try IdempotencyKey.read(field)?.text == expected)
    }

    @Test("Without the field there is no key")
    func noKey() throws {
        #expect(try IdempotencyKey.read(nil) == nil)
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", "order-4711", "\"\"", "\"a", "'a'", "\"a\", \"b\"", "\"a\";b=1", "\"é\"", "\"\t\"",
            "12", "?1", ":YQ==:", "\"a\\n\"", "(\"a\")",
            "\"\(String(repeating: "k", count: 256))\"",
        ])
    func wrongKeys(_ field: String) {
        let problem = #expect(throws: Problem.self) { try IdempotencyKey.read(field) }
        #expect(problem?.type == .idempotencyKeyInvalid)
        #expect(problem?.detail.hasSuffix(".") == true)
    }

    @Test(
        "return-at is read, and all other preferences are ignored",
        arguments: [
            (nil, nil), ("", nil), ("respond-async", nil), ("wait=10", nil),
            ("return-at=decision", .decision), ("Return-At=end", .end),
            ("return-at = end", .end), ("return-at=\"decision\", return-at=end", .decision),
            ("wait=5; a=\"b,c\" , return-at=end", .end),
            ("return-at=end; a=1, respond-async", .end),
            ("handling=lenient; return-at=end", nil), ("foo=\", return-at=end", nil),
            ("return-at=never", nil), ("return-at", nil), ("return-at=Decision", nil),
            (",,, ;=\"", nil),
        ] as [(String?, ReturnPoint?)])
    func preferences(_ field: String?, _ expected: ReturnPoint?) {
        #expect(ReturnPoint(prefer: field) == expected)
    }

    @Test(
        "JSON bodies",
        arguments: [
            "application/json", "Application/JSON", "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"", " application/json ; ",
        ])
    func json(_ field: String) throws {
        try ContentNegotiation.requireJSON(contentType: field, contentEncoding: nil)
    }

    @Test(
        "Bodies of another type",
        arguments: [
            nil, "", "text/json", "application/json; charset=latin1", "application/json; a=b",
            "application/jsonx", "application/problem+json", "application/json, text/plain",
            "application/json; charset",
        ] as [String?])
    func notJSON(_ field: String?) {
        let problem = #expect(throws: Problem.self) {
            try ContentNegotiation.requireJSON(contentType: field, contentEncoding: nil)
        }
        #expect(problem?.type == .unsupportedMediaType)
        #expect(problem?.headerFields == [.accept: "application/json"])
    }

    @Test("Bodies without a content coding", arguments: ["", "identity", "Identity", "identity,"])
    func uncoded(_ field: String) throws {
        try ContentNegotiation.requireJSON(contentType: "application/json", contentEncoding: field)
    }

    @Test(
        "Bodies with a content coding",
        arguments: ["gzip", "GZIP", "br", "identity, gzip", "x", "gzip;q=0", "\"identity\""])
    func coded(_ field: String) {
        let problem = #expect(throws: Problem.self) {
            try ContentNegotiation.requireJSON(
                contentType: "application/json", contentEncoding: field)
        }
        #expect(problem?.type == .unsupportedMediaType)
        #expect(problem?.headerFields == [.acceptEncoding: "identity"])
    }

    @Test("An If-Match that does not hold says why")
    func unmet() {
        let weak = EntityTag.preconditionFailed("W/\"a\", W/\"b\"").detail
        #expect(weak.contains("W/") && !weak.contains("no longer"))
        let strong = EntityTag.preconditionFailed("\"a\"").detail
        #expect(!strong.contains("W/") && strong.contains("no longer"))
        let both = EntityTag.preconditionFailed("\"a\", W/\"b\"").detail
        #expect(both.contains("W/") && both.contains("no longer"))
        for field in ["\"4711-3\"", "*", "W/\"4711-3\", \"4711-3\"", "\"\\\", \"4711-3\""] {
            #expect(EntityTag("4711-3").matches(ifMatch: field), "\(field)")
        }
        for field in ["W/\"4711-3\"", "\"4711-4\""] {
            #expect(!EntityTag("4711-3").matches(ifMatch: field), "\(field)")
        }
    }

    @Test(
        "The media type that is liked best",
        arguments: [
            (nil, .json), ("", .json), ("*/*", .json), ("text/plain", .text), ("text/*", .text),
            ("application/json", .json), ("TEXT/PLAIN", .text),
            ("text/plain, application/json", .json),
            ("text/plain, application/json;q=0.9", .text),
            ("application/json;q=0.1, */*;q=0.5", .text),
            ("text/html, */*;q=0.1", .json), ("application/json;q=0, */*", .text),
            ("text/plain;q=1.000, */*;q=0.999", .text), ("text/plain; charset=utf-8", .text),
        ] as [(String?, MediaType)])
    func accept(_ field: String?, _ expected: MediaType) throws {
        #expect(try ContentNegotiation.choose(accept: field, from: [.json, .text]) == expected)
    }

    @Test(
        "None that is liked",
        arguments: [
            "text/html", "*/*;q=0", "application/json;q=0, text/plain;q=0.000", "json", "image/*",
            "application/json;q=x, text/plain;q=0.0001",
        ])
    func notAcceptable(_ field: String) {
        let problem = #expect(throws: Problem.self) {
            try ContentNegotiation.choose(accept: field, from: [.json, .text])
        }
        #expect(problem?.type == .notAcceptable)
    }

    @Test("Entity tags match weakly")
    func tags() {
        let tag = EntityTag("4711-3")
        #expect(tag.text == "\"4711-3\"")
        for field in [
            "\"4711-3\"", "W/\"4711-3\"", "*", "\"1\", \"4711-3\"", "\"a,b\",W/\"4711-3\"",
        ] {
            #expect(tag.matches(ifNoneMatch: field), "\(field)")
        }
        for field in [nil, "", "4711-3", "\"4711-4\"", "\"x,\\\"4711-3\\\"\""] {
            #expect(!tag.matches(ifNoneMatch: field), "\(field ?? "none")")
        }
        let tags = MediaType.ofLists.map { EntityTag("4711-3", of: $0) }
        #expect(Set(tags).count == tags.count)
        #expect(tags.first == tag)
    }
}
