/// Reads one JSON text strictly by RFC 8259, in a single pass over its bytes.
///
/// It refuses what the RFC leaves open and what has been used to make two readers disagree about
/// one text: two members of one name, a byte order mark, broken UTF-8, half surrogate pairs,
/// anything after the value.
public struct JSONReader {
    /// What to do about two members of one name in an object.
    public enum DuplicateNames: Sendable {
        /// The text is refused.
        case refused
        /// All members are kept in order.
        case kept
    }

    let bytes: [UInt8]
    var position = 0
    private let duplicateNames: DuplicateNames
    private let depthMax: Int
    private var depth = 0

    /// Reads a whole text.
    ///
    /// - Parameters:
    ///   - bytes: The text, as UTF-8.
    ///   - depthMax: How deep arrays and objects may nest, 1 to 512; `[[]]` is 2 deep.
    ///   - duplicateNames: What to do about two members of one name.
    /// - Throws: ``JSONReadError`` for the first fault.
    public static func read(
        _ bytes: [UInt8], depthMax: Int = 64, duplicateNames: DuplicateNames = .refused
    ) throws(JSONReadError) -> JSONValue {
        precondition((1...512).contains(depthMax), "the reader recurses: bound its depth")
        var reader = JSONReader(bytes: bytes, depthMax: depthMax, duplicateNames: duplicateNames)
        return try reader.readText()
    }

    private init(bytes: [UInt8], depthMax: Int, duplicateNames: DuplicateNames) {
        self.bytes = bytes
        self.depthMax = depthMax
        self.duplicateNames = duplicateNames
    }

    private mutating func readText() throws(JSONReadError) -> JSONValue {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw failure(.byteOrderMark, "A JSON text must not start with a byte order mark.")
        }
        skipWhitespace()
        if position == bytes.count {
            throw failure(.noValue, "The text holds no JSON value.")
        }
        let value = try readValue()
        skipWhitespace()
        if position < bytes.count {
            throw failure(
                .trailingContent, "Nothing may follow the JSON value, but \(found) does.")
        }
        return value
    }

    private mutating func readValue() throws(JSONReadError) -> JSONValue {
        guard position < bytes.count else { throw unexpectedEnd("a value was expected") }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            try enter()
            let members = try readMembers()
            depth -= 1
            return .object(members)
        case UInt8(ascii: "["):
            try enter()
            let elements = try readElements()
            depth -= 1
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try readString())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return .number(try readNumber())
        case UInt8(ascii: "t"): return try readLiteral("true", .bool(true))
        case UInt8(ascii: "f"): return try readLiteral("false", .bool(false))
        case UInt8(ascii: "n"): return try readLiteral("null", .null)
        default: throw unexpectedByte("a value was expected")
        }
    }

    /// Moves past the bracket that opens an array or object.
    private mutating func enter() throws(JSONReadError) {
        guard depth < depthMax else {
            throw failure(.tooDeep, "Arrays and objects may nest at most \(depthMax) deep.")
        }
        depth += 1
        position += 1
    }

    private mutating func readElements() throws(JSONReadError) -> [JSONValue] {
        var elements: [JSONValue] = []
        skipWhitespace()
        if consume(UInt8(ascii: "]")) { return elements }
        while true {
            skipWhitespace()
            do {
                elements.append(try readValue())
            } catch {
                throw error.inside(String(elements.count))
            }
            skipWhitespace()
            if consume(UInt8(ascii: "]")) { return elements }
            if !consume(UInt8(ascii: ",")) { throw unexpectedByte("',' or ']' was expected") }
        }
    }

    private mutating func readMembers() throws(JSONReadError) -> [JSONMember] {
        var members: [JSONMember] = []
        var names = MemberNames()
        skipWhitespace()
        if consume(UInt8(ascii: "}")) { return members }
        while true {
            skipWhitespace()
            let start = position
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw unexpectedByte("a member name in double quotes was expected")
            }
            let name = try readString()
            if duplicateNames == .refused, !names.insert(name, after: members) {
                throw JSONReadError(
                    .duplicateName, at: start, in: bytes,
                    "An object must not have two members of one name, here \"\(name.shortened)\".")
            }
            skipWhitespace()
            if !consume(UInt8(ascii: ":")) { throw unexpectedByte("':' was expected") }
            skipWhitespace()
            do {
                members.append(JSONMember(name, try readValue()))
            } catch {
                throw error.inside(name)
            }
            skipWhitespace()
            if consume(UInt8(ascii: "}")) { return members }
            if !consume(UInt8(ascii: ",")) { throw unexpectedByte("',' or '}' was expected") }
        }
    }
}

/// Finds repeated names without hashing the short objects that nearly all requests are made of.
///
/// Names are compared by their bytes: Swift's own equality takes two spellings of one accented
/// letter for the same, JSON does not.
private struct MemberNames {
    private static let scannedMax = 16
    private var set: Set<[UInt8]> = []

    /// Notes a name; the answer is false if one of the members before it has that name.
    mutating func insert(_ name: String, after members: [JSONMember]) -> Bool {
        if members.count < Self.scannedMax {
            return !members.contains { isSame($0.name, name) }
        }
        if set.isEmpty {
            for member in members { set.insert(Array(member.name.utf8)) }
        }
        return set.insert(Array(name.utf8)).inserted
    }

    private func isSame(_ one: String, _ other: String) -> Bool {
        one.utf8.count == other.utf8.count && one.utf8.elementsEqual(other.utf8)
    }
}

extension String {
    /// The text as far as it is fit to be quoted in a sentence.
    var shortened: String {
        guard unicodeScalars.count > 64 else { return self }
        return String(UnicodeScalarView(unicodeScalars.prefix(64))) + "…"
    }
}
