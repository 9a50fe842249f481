import CoordinatorAPI
import Testing

@Suite("Reading JSON")
struct JSONReading {
    private func read(_ text: String) throws -> JSONValue {
        try JSONReader.read(Array(text.utf8))
    }

    @Test(
        "Numbers keep their exact text",
        arguments: [
            "0", "-0", "9007199254740993", "0.100000000000000000000000000001", "-1.50", "1e400",
            "1E+2", "1.0e-10", "123456789012345678901234567890",
        ])
    func numbers(_ text: String) throws {
        #expect(try read(text) == .number(text))
        #expect(try read("[\(text)]") == .array([.number(text)]))
    }

    @Test("All kinds of values, in order, with white space around them")
    func values() throws {
        let value = try read(
            " {\"a\" : null,\r\n\t\"b\":[true , false,[],{}],\"\":\"\", \"c\":{\"d\":-1}} ")
        #expect(
            value
                == .object([
                    JSONMember("a", .null),
                    JSONMember("b", .array([.bool(true), .bool(false), .array([]), .object([])])),
                    JSONMember("", .string("")),
                    JSONMember("c", .object([JSONMember("d", .number("-1"))])),
                ]))
        #expect(value["b"]?[0] == .bool(true))
        #expect(value["c"]?["d"]?.integer == -1)
        #expect(value["x"] == nil)
        #expect(value[0] == nil)
    }

    @Test(
        "Strings resolve their escapes",
        arguments: [
            (#""a\"\\\/\b\f\n\r\tz""#, "a\"\\/\u{8}\u{C}\n\r\tz"),
            (#""\u0041\u00e9\u20AC""#, "Aé€"),
            (#""\uD83D\uDE00""#, "😀"), (#""x\uD83D\uDE00y\u0000""#, "x😀y\0"), (#""é😀\n""#, "é😀\n"),
            ("\"\u{7f}\u{2028}\u{FFFF}\"", "\u{7f}\u{2028}\u{FFFF}"), (#""\uFFFF""#, "\u{FFFF}"),
        ])
    func strings(_ text: String, _ expected: String) throws {
        let string = try #require(try read(text).string)
        #expect(Array(string.utf8) == Array(expected.utf8))
    }

    @Test("Nesting is allowed to the limit, and not beyond")
    func depth() throws {
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        _ = try read(deep)
        let error = #expect(throws: JSONReadError.self) { try read("[" + deep + "]") }
        #expect(error?.reason == .tooDeep)
        #expect(error?.offset == 64)
        let two = Array("[[1]]".utf8)
        _ = try JSONReader.read(two, depthMax: 2)
        #expect(throws: JSONReadError.self) { try JSONReader.read(two, depthMax: 1) }
    }

    @Test("Siblings do not add to the depth")
    func siblings() throws {
        let text = "[" + Array(repeating: "{\"a\":[]}", count: 200).joined(separator: ",") + "]"
        _ = try JSONReader.read(Array(text.utf8), depthMax: 3)
    }

    @Test("Two members of one name are refused, in short and in long objects")
    func duplicates() throws {
        for count in [1, 2, 15, 16, 17, 40] {
            let members = (0..<count).map { "\"name\($0)\":\($0)" }.joined(separator: ",")
            _ = try read("{\(members)}")
            for index in [0, count - 1] {
                let error = #expect(throws: JSONReadError.self) {
                    try read("{\(members),\"name\(index)\":0}")
                }
                #expect(error?.reason == .duplicateName)
                #expect(error?.message.contains("name\(index)") == true)
            }
        }
        let kept = try JSONReader.read(Array(#"{"a":1,"a":2}"#.utf8), duplicateNames: .kept)
        #expect(kept == .object([JSONMember("a", .number("1")), JSONMember("a", .number("2"))]))
    }

    @Test("Names are one only if they are spelled with the same characters")
    func spelling() throws {
        _ = try read("{\"\u{E9}\":1,\"e\u{301}\":2}")
        #expect(throws: JSONReadError.self) { try read(#"{"a":1,"\u0061":2}"#) }
        #expect(throws: JSONReadError.self) { try read("{\"a\":{\"b\":1,\"b\":2}}") }
    }

    @Test("What was written is read back, whatever it is")
    func roundTrips() throws {
        var source = JSONSource(seed: 0x7A4D_0001)
        for _ in 0..<2000 {
            let value = source.value(depth: 4)
            var writer = JSONWriter()
            writer.value(value)
            #expect(try JSONReader.read(writer.bytes) == value)
        }
    }

    @Test("Damaged texts get an error whose place lies within them, and never a crash")
    func damaged() {
        var source = JSONSource(seed: 0x7A4D_0002)
        for _ in 0..<5000 {
            var writer = JSONWriter()
            writer.value(source.value(depth: 3))
            var bytes = writer.bytes
            for _ in 0...source.below(3) where !bytes.isEmpty {
                let offset = source.below(bytes.count)
                switch source.below(3) {
                case 0: bytes.remove(at: offset)
                case 1: bytes[offset] = UInt8(source.below(256))
                default: bytes.removeLast(bytes.count - offset)
                }
            }
            do {
                _ = try JSONReader.read(bytes)
            } catch {
                #expect((0...bytes.count).contains(error.offset))
                #expect(error.line >= 1 && error.column >= 1)
                #expect(error.message.hasSuffix("."))
            }
        }
    }
}
