import Testing

@testable import CoordinatorAPI

@Suite("Refusing what is not JSON")
struct JSONRefusing {
    private func error(_ bytes: [UInt8]) -> JSONReadError? {
        do {
            _ = try JSONReader.read(bytes)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "Texts that break the grammar",
        arguments: [
            ("", .noValue), ("  \n", .noValue), ("nul", .unexpectedEnd), ("nulL", .unexpectedByte),
            ("[1,]", .unexpectedByte), ("[1 2]", .unexpectedByte), ("[", .unexpectedEnd),
            ("{", .unexpectedEnd), ("{\"a\"}", .unexpectedByte), ("{\"a\":1,}", .unexpectedByte),
            ("{a:1}", .unexpectedByte), ("{'a':1}", .unexpectedByte), ("1 2", .trailingContent),
            ("{}x", .trailingContent), ("[]]", .trailingContent), ("01", .invalidNumber),
            ("-01", .invalidNumber), ("-", .unexpectedEnd), ("-a", .invalidNumber),
            ("1.", .unexpectedEnd),
            (".5", .unexpectedByte), ("1.e2", .invalidNumber), ("1e", .unexpectedEnd),
            ("1e+", .unexpectedEnd), ("+1", .unexpectedByte), ("NaN", .unexpectedByte),
            ("Infinity", .unexpectedByte), ("0x10", .trailingContent), ("// a\n1", .unexpectedByte),
            ("\"a", .unexpectedEnd), ("\"a\nb\"", .controlCharacter), ("\"\t\"", .controlCharacter),
            ("\"\0\"", .controlCharacter), (#""\x""#, .invalidEscape),
            (#""\u12G4""#, .invalidEscape),
            (#""\u12"#, .unexpectedEnd), (#""\"#, .unexpectedEnd), ("\u{FEFF}{}", .byteOrderMark),
            ("\u{A0}1", .unexpectedByte), ("\u{C}1", .unexpectedByte), ("1\0", .trailingContent),
        ] as [(String, JSONReadError.Reason)])
    func grammar(_ text: String, _ expected: JSONReadError.Reason) {
        #expect(error(Array(text.utf8))?.reason == expected)
    }

    @Test(
        "Halves of surrogate pairs",
        arguments: [
            #""\uD800""#, #""\uDC00""#, #""\uD800\uD800""#, #""\uD800x""#, #""\uDBFF\n""#,
            #""\uDC00\uD800""#, #""\uD83D\u0041""#,
        ])
    func surrogates(_ text: String) {
        #expect(error(Array(text.utf8))?.reason == .loneSurrogate)
        #expect(error(Array(text.utf8))?.offset == 1)
    }

    @Test(
        "Bytes that are not UTF-8, each at its offset",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
            [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
            [0xC3], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
        ] as [[UInt8]])
    func brokenUTF8(_ sequence: [UInt8]) {
        let prefix = Array("{\"é\":[\"😀é".utf8)
        let inValue = error(prefix + sequence + Array("z\"]}".utf8))
        #expect(inValue?.reason == .invalidUTF8)
        #expect(inValue?.offset == prefix.count)
        #expect(inValue?.pointer == "/é/0")
        let afterEscape = error(Array("\"\\n".utf8) + sequence + Array("\"".utf8))
        #expect(afterEscape?.reason == .invalidUTF8)
        #expect(error(Array("{\"".utf8) + sequence + Array("\":1}".utf8))?.reason == .invalidUTF8)
        #expect(error(sequence) != nil)
    }

    @Test("A pointer escapes a slash and a tilde that a combining mark follows")
    func escapesBeforeCombiningMark() {
        let pointer = JSONPointer.root.member("a/\u{301}b~\u{301}").element(0).member("c")
        #expect(pointer.description == "/a~1\u{301}b~0\u{301}/0/c")
    }

    @Test("An error names line, column and pointer")
    func place() {
        let text = "{\n  \"a/b\": [1, {\"é~\": x}]\n}"
        let error = error(Array(text.utf8))
        #expect(error?.line == 2)
        #expect(error?.column == 21)
        #expect(error?.offset == 23)
        #expect(error?.pointer == "/a~1b/1/é~0")
        #expect(
            error?.description
                == "Line 2, column 21: Expected a value, got 'x'.")
    }

    @Test("A message quotes only a short piece of the text")
    func shortened() {
        let name = String(repeating: "n", count: 5000)
        let error = error(Array("{\"\(name)\":1,\"\(name)\":2}".utf8))
        #expect((error?.message.utf8.count ?? 0) < 200)
    }
}
