import CoordinatorAPI
import Testing

@Suite("Writing JSON")
struct JSONWriting {
    @Test("Commas stand between members and elements only")
    func commas() {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("a", 1)
        writer.member("left out", nil as Int?)
        writer.name("b")
        writer.beginArray()
        writer.null()
        writer.bool(true)
        writer.beginArray()
        writer.endArray()
        writer.beginObject()
        writer.endObject()
        writer.raw("0.10".utf8)
        writer.endArray()
        writer.name(escaping: "c\"")
        writer.string("d")
        writer.member("e", false)
        writer.endObject()
        #expect(
            writer.text == #"{"a":1,"b":[null,true,[],{},0.10],"c\"":"d","e":false}"#)
    }

    @Test(
        "Strings are escaped where they must be, and nowhere else",
        arguments: [
            ("", #""""#), ("a/b", #""a/b""#), ("\"\\", #""\"\\""#), ("\n\r\t", #""\n\r\t""#),
            ("\0\u{8}\u{1F}", #""\u0000\u0008\u001f""#),
            ("é😀\u{2028}\u{7F}", "\"é😀\u{2028}\u{7F}\""),
        ])
    func strings(_ text: String, _ expected: String) {
        var writer = JSONWriter()
        writer.string(text)
        #expect(writer.text == expected)
        var fromBytes = JSONWriter()
        fromBytes.string(bytes: Array(text.utf8))
        #expect(fromBytes.text == expected)
    }

    @Test("Bytes that are not UTF-8 are replaced, so that the answer stays JSON")
    func repaired() throws {
        var writer = JSONWriter()
        writer.string(bytes: [0x61, 0xFF, 0x22, 0xC3, 0xA9] as [UInt8])
        #expect(writer.text == "\"a\u{FFFD}\\\"é\"")
    }

    @Test("Integers of any width keep their value")
    func integers() {
        var writer = JSONWriter()
        writer.beginArray()
        writer.integer(Int64.min)
        writer.integer(UInt64.max)
        writer.endArray()
        #expect(writer.text == "[-9223372036854775808,18446744073709551615]")
    }
}
