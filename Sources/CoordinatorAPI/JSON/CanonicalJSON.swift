/// A text of JSON in the one form that all texts of its meaning have.
///
/// It has no white space, members are sorted by the bytes of their names, and strings have no escape
/// that they do not need. Numbers keep their spelling, which PostgreSQL gets: `1.0` and `1.00` are two
/// values. The form is written while the text is read, so no tree of values is made of it.
struct CanonicalJSON {
    private var json: JSONReader
    private var writer: JSONWriter

    /// The form of a text that a strict reader has accepted.
    ///
    /// - Throws: ``JSONReadError`` if the text has a fault all the same; not every fault is noticed.
    static func bytes(of text: [UInt8], depthMax: Int) throws(JSONReadError) -> [UInt8] {
        var canonical = CanonicalJSON(
            json: JSONReader(bytes: text, depthMax: depthMax),
            writer: JSONWriter(capacity: text.count))
        canonical.json.skipWhitespace()
        try canonical.writeValue()
        return canonical.writer.bytes
    }

    private mutating func writeValue() throws(JSONReadError) {
        switch json.next {
        case UInt8(ascii: "{"): try writeObject()
        case UInt8(ascii: "["): try writeArray()
        default: writer.value(try json.readValue())
        }
    }

    private mutating func writeArray() throws(JSONReadError) {
        try json.enter()
        writer.beginArray()
        json.skipWhitespace()
        while !json.consume(UInt8(ascii: "]")) {
            try writeValue()
            skipComma()
        }
        json.leave()
        writer.endArray()
    }

    private mutating func writeObject() throws(JSONReadError) {
        var members: [(name: String, range: Range<Int>)] = []
        try json.enter()
        writer.beginObject()
        let first = writer.bytes.count
        json.skipWhitespace()
        while !json.consume(UInt8(ascii: "}")) {
            let name = try json.readString()
            json.skipWhitespace()
            _ = json.consume(UInt8(ascii: ":"))
            json.skipWhitespace()
            writer.separate()
            let start = writer.bytes.count
            writer.name(escaping: name)
            try writeValue()
            members.append((name, start..<writer.bytes.count))
            skipComma()
        }
        json.leave()
        sort(members, from: first)
        writer.endObject()
    }

    /// Puts the members of an object, the first of which begins there, into the order of their names.
    private mutating func sort(_ members: [(name: String, range: Range<Int>)], from first: Int) {
        let sorted = members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        guard !zip(sorted, members).allSatisfy({ $0.range == $1.range }) else { return }
        let written = writer.removeBytes(from: first)
        for member in sorted {
            writer.raw(written[member.range.lowerBound - first..<member.range.upperBound - first])
        }
    }

    private mutating func skipComma() {
        json.skipWhitespace()
        _ = json.consume(UInt8(ascii: ","))
        json.skipWhitespace()
    }
}
