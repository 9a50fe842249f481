import AccessControl
import Testing

@Suite struct TokenTests {
    @Test func makesTokensOf256Bits() {
        var generator = SystemRandomNumberGenerator()
        let texts = (0..<100).map { _ in BearerToken(using: &generator).text }
        #expect(Set(texts).count == texts.count)
        for text in texts {
            #expect(text.hasPrefix("tandem_"))
            // Each of the 43 characters is one of 64.
            #expect(text.utf8.count == "tandem_".utf8.count + 43)
            #expect(Credentials.isToken(text))
        }
        let used = Set(texts.flatMap { $0.dropFirst("tandem_".count) })
        #expect(used.count == 64)
    }

    @Test func hashesAsEveryoneDoes() throws {
        // The value of `printf abc | sha256sum`.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(TokenDigest(of: "abc").hexadecimal == known)
        #expect(TokenDigest(hexadecimal: known) == TokenDigest(of: "abc"))
        #expect(TokenDigest(hexadecimal: known.uppercased()) == TokenDigest(of: "abc"))
        #expect(TokenDigest(of: "abd") != TokenDigest(of: "abc"))
    }

    @Test(arguments: [
        "", "ba78", String(repeating: "g", count: 64), String(repeating: "0", count: 66),
    ])
    func readsDigestsOf64Digits(_ text: String) {
        #expect(TokenDigest(hexadecimal: text) == nil)
    }

    @Test(arguments: [
        ("Bearer abc", Credentials.token("abc")), ("bearer abc", .token("abc")),
        ("BEARER a.b-c_d~e+f/g==", .token("a.b-c_d~e+f/g==")),
        ("Basic abc", .malformed), ("Bearer", .malformed), ("Bearer ", .malformed),
        ("Bearer a b", .malformed), ("Bearer a,Bearer b", .malformed), ("", .malformed),
        ("Bearer \u{E9}", .malformed), ("abc", .malformed),
        ("Bearer " + String(repeating: "a", count: 513), .malformed),
    ])
    func readsAuthorization(_ field: String, _ expected: Credentials) {
        #expect(Credentials(authorization: field, cookie: nil) == expected)
        // A cookie never makes up for it.
        #expect(Credentials(authorization: field, cookie: "tandem_token=other") == expected)
    }

    @Test(arguments: [
        (nil, Credentials.none), ("", .none), ("other=1", .none), ("xtandem_token=abc", .none),
        ("tandem_token=abc", .token("abc")), ("a=1; tandem_token=abc; b=2", .token("abc")),
        ("a=1;tandem_token=abc", .token("abc")), ("a=1, tandem_token=abc", .token("abc")),
        ("tandem_token=first; tandem_token=second", .token("first")),
        ("tandem_token=", .malformed), ("tandem_token=a b", .malformed),
    ])
    func readsCookies(_ field: String?, _ expected: Credentials) {
        #expect(Credentials(authorization: nil, cookie: field) == expected)
    }
}
