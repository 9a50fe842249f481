import Testing

@testable import CoordinatorAPI

/// Header fields put together from a seed, out of what their readers look for.
///
/// The seed is fixed: a fault found once is found again.
@Suite struct HeaderTexts {
    private static let pieces = [
        "\"", "\\", "\\\"", ",", ";", "=", "*", "/", "W/", "q=", "q=0", "q=1.001", ":", " ", "\t",
        "a", "é", "\u{0}", "\u{7f}", "?1", ":AAA=:", "(", ")", "1", "-1.5", "@1", "%\"a\"",
        "application/json", "text/plain", "charset=utf-8", "return-at", "=decision", "=end",
        "order-4711", "gzip", "identity",
    ]

    private static func texts(_ count: Int, seed: UInt64) -> [String] {
        var source = JSONSource(seed: seed)
        return (0..<count).map { _ in
            let text = (0..<source.below(10)).map { _ in pieces[source.below(pieces.count)] }
                .joined()
            return source.below(2) == 0 ? "\"\(text)\"" : text
        }
    }

    @Test func `a key is read as one text, however it is written`() throws {
        var readCount = 0
        for text in Self.texts(20_000, seed: 0x7A4D_F001) {
            guard let key = try? IdempotencyKey.read(text) else { continue }
            readCount += 1
            #expect((1...255).contains(key.text.utf8.count), "\(text)")
            #expect(key.text.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(text)")
            let escaped = key.text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            #expect(try IdempotencyKey.read("\"\(escaped)\"") == key, "\(text)")
            #expect(IdempotencyKey.read(query: "\"\(escaped)\"") == key, "\(text)")
        }
        #expect(readCount > 100)
    }

    @Test func `whatever a field is, its reader answers`() {
        let tag = EntityTag("7")
        for text in Self.texts(20_000, seed: 0x7A4D_F002) {
            if tag.matches(ifMatch: text) { #expect(tag.matches(ifNoneMatch: text), "\(text)") }
            if EntityTag.isCondition(text), EntityTag.matchesAnything(text) {
                #expect(tag.matches(ifMatch: text), "\(text)")
            }
            let chosen = try? ContentNegotiation.choose(
                accept: text, from: [.json, .text])
            #expect(chosen != .yaml)
            // White space around a field is no part of it.
            let spaced = try? ContentNegotiation.choose(
                accept: " \(text)\t", from: [.json, .text])
            #expect(chosen == spaced, "\(text)")
            #expect(ReturnPoint(prefer: text) == ReturnPoint(prefer: " \(text) "), "\(text)")
            try? ContentNegotiation.requireJSON(contentType: text, contentEncoding: text)
        }
    }
}
