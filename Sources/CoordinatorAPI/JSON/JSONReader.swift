/// Reads one JSON text strictly by RFC 8259, in a single pass over its bytes.
///
/// It refuses what the RFC leaves open and what can make two readers disagree about one text: two
/// members of one name, a byte order mark, broken UTF-8, half surrogate pairs, anything after the
/// value.
package struct JSONReader {
    /// What to do about two members of one name in an object.
    package enum DuplicateNames: Sendable {
        /// Refuse the text.
        case refused
        /// Keep all members, in order.
        case kept
    }

    private let bytes: [UInt8]
    private(set) var position = 0
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
    package static func read(
        _ bytes: [UInt8], depthMax: Int = 64, duplicateNames: DuplicateNames = .refused
    ) throws(JSONReadError) -> JSONValue {
        var reader = JSONReader(bytes: bytes, duplicateNames: duplicateNames, depthMax: depthMax)
        return try reader.readText()
    }

    /// Makes a reader at the beginning of a text.
    ///
    /// Code that knows what it expects reads with its parts, and needs no values in between; see
    /// `TransactionBodyReader`.
    init(bytes: [UInt8], duplicateNames: DuplicateNames = .refused, depthMax: Int) {
        precondition((1...512).contains(depthMax), "the reader recurses: bound its depth")
        self.bytes = bytes
        self.duplicateNames = duplicateNames
        self.depthMax = depthMax
    }

    private mutating func readText() throws(JSONReadError) -> JSONValue {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw error(
                .byteOrderMark, "Expected JSON in UTF-8 without a byte order mark, got one.")
        }
        skipWhitespace()
        if position == bytes.count {
            throw error(.noValue, "Expected a JSON value, got an empty text.")
        }
        let value = try readValue()
        skipWhitespace()
        if position < bytes.count {
            throw error(.trailingContent, "Expected nothing after the JSON value, got \(found).")
        }
        return value
    }

    /// Reads the value that starts at the position.
    mutating func readValue() throws(JSONReadError) -> JSONValue {
        guard position < bytes.count else { throw unexpected("a value") }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            try enter()
            let members = try readMembers()
            leave()
            return .object(members)
        case UInt8(ascii: "["):
            try enter()
            let elements = try readElements()
            leave()
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try readString())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
            return .number(try readNumber())
        case UInt8(ascii: "t"): return try readLiteral("true", .bool(true))
        case UInt8(ascii: "f"): return try readLiteral("false", .bool(false))
        case UInt8(ascii: "n"): return try readLiteral("null", .null)
        default: throw unexpected("a value")
        }
    }

    // MARK: Arrays and objects

    /// Moves past the bracket that opens an array or object.
    mutating func enter() throws(JSONReadError) {
        guard depth < depthMax else {
            throw error(
                .tooDeep, "Expected arrays and objects to nest at most \(depthMax) deep.")
        }
        depth += 1
        position += 1
    }

    /// Leaves an array or object, after the bracket that closes it.
    mutating func leave() { depth -= 1 }

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
            if !consume(UInt8(ascii: ",")) { throw unexpected("',' or ']'") }
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
                throw unexpected("a member name in double quotes")
            }
            let name = try readString()
            if duplicateNames == .refused, !names.insert(name, after: members) {
                throw JSONReadError(
                    .duplicateName, at: start, in: bytes,
                    "The member \"\(name.shortened)\" occurs twice in one object.")
            }
            skipWhitespace()
            if !consume(UInt8(ascii: ":")) { throw unexpected("':'") }
            skipWhitespace()
            do {
                members.append(JSONMember(name, try readValue()))
            } catch {
                throw error.inside(name)
            }
            skipWhitespace()
            if consume(UInt8(ascii: "}")) { return members }
            if !consume(UInt8(ascii: ",")) { throw unexpected("',' or '}'") }
        }
    }

    // MARK: Numbers and literals

    private mutating func readLiteral(
        _ literal: StaticString, _ value: JSONValue
    ) throws(JSONReadError) -> JSONValue {
        for expected in literal.description.utf8 {
            guard consume(expected) else { throw unexpected("'\(literal)'") }
        }
        return value
    }

    /// Reads a number and returns its text.
    mutating func readNumber() throws(JSONReadError) -> String {
        let start = position
        _ = consume(UInt8(ascii: "-"))
        if consume(UInt8(ascii: "0")) {
            if nextIsDigit {
                throw error(.invalidNumber, "Expected a number without leading zeros.")
            }
        } else {
            try skipDigits("a digit after the '-' of a number")
        }
        if consume(UInt8(ascii: ".")) {
            try skipDigits("a digit after the decimal point of a number")
        }
        if consume(UInt8(ascii: "e")) || consume(UInt8(ascii: "E")) {
            if !consume(UInt8(ascii: "+")) { _ = consume(UInt8(ascii: "-")) }
            try skipDigits("a digit in the exponent of a number")
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private var nextIsDigit: Bool {
        position < bytes.count && NameRules.isDigit(bytes[position])
    }

    private mutating func skipDigits(_ expectation: String) throws(JSONReadError) {
        guard nextIsDigit else { throw unexpected(expectation, .invalidNumber) }
        while nextIsDigit { position += 1 }
    }

    // MARK: Strings

    /// Reads the string that starts at the position, quotes included.
    ///
    /// A string without escapes, which is nearly every one, is copied in one piece.
    mutating func readString() throws(JSONReadError) -> String {
        position += 1
        var text = try readPlainText()
        while !consume(UInt8(ascii: "\"")) {
            text.unicodeScalars.append(try readEscape())
            text += try readPlainText()
        }
        return text
    }

    /// Reads up to the next quote or backslash.
    private mutating func readPlainText() throws(JSONReadError) -> String {
        let start = position
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                return try decoded(bytes[start..<position])
            }
            if byte < 0x20 {
                throw error(
                    .controlCharacter,
                    "Expected control characters in a string to be escaped, got \(found).")
            }
            position += 1
        }
        throw unexpected("the closing quote of a string")
    }

    private mutating func readEscape() throws(JSONReadError) -> Unicode.Scalar {
        let start = position
        position += 1
        let expectation = "one of \" \\ / b f n r t u after a backslash"
        guard position < bytes.count else { throw unexpected(expectation) }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try readUnicodeEscape(from: start)
        default:
            position -= 1
            throw unexpected(expectation, .invalidEscape)
        }
    }

    private mutating func readUnicodeEscape(
        from start: Int
    ) throws(JSONReadError) -> Unicode.Scalar {
        let first = try readFourDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        if UTF16.isLeadSurrogate(UInt16(truncatingIfNeeded: first)),
            bytes[position...].starts(with: #"\u"#.utf8)
        {
            position += 2
            let second = try readFourDigits()
            if UTF16.isTrailSurrogate(UInt16(truncatingIfNeeded: second)),
                let scalar = Unicode.Scalar(
                    0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            {
                return scalar
            }
        }
        position = start
        throw error(
            .loneSurrogate, "Expected a whole surrogate pair, got half of one in a \\u escape.")
    }

    private mutating func readFourDigits() throws(JSONReadError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count,
                let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
            else { throw unexpected("four hexadecimal digits after \\u", .invalidEscape) }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private func decoded(_ slice: ArraySlice<UInt8>) throws(JSONReadError) -> String {
        if let text = String(validating: slice, as: UTF8.self) { return text }
        throw JSONReadError(
            .invalidUTF8, at: firstBrokenOffset(in: slice), in: bytes,
            "Expected UTF-8 in a string, got bytes that are not.")
    }

    /// Where the first byte stands that belongs to no well-formed sequence.
    private func firstBrokenOffset(in slice: ArraySlice<UInt8>) -> Int {
        var offset = slice.startIndex
        while offset < slice.endIndex {
            let length = max(1, (~slice[offset]).leadingZeroBitCount)
            let end = min(offset + length, slice.endIndex)
            if String(validating: slice[offset..<end], as: UTF8.self) == nil { return offset }
            offset = end
        }
        return slice.startIndex
    }

    // MARK: Tokens and faults

    /// Moves past the four characters that JSON calls white space.
    mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
                position += 1
            default:
                return
            }
        }
    }

    /// Moves past that byte if it is the next one.
    mutating func consume(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    /// Moves past that text if it comes next.
    mutating func consume(_ text: StaticString) -> Bool {
        guard bytes.count - position >= text.utf8CodeUnitCount else { return false }
        let isNext = text.withUTF8Buffer { text in
            for offset in text.indices where bytes[position + offset] != text[offset] {
                return false
            }
            return true
        }
        if isNext { position += text.utf8CodeUnitCount }
        return isNext
    }

    /// The byte at the position; nil at the end.
    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// What stands at the position, for a message.
    private var found: String {
        guard position < bytes.count else { return "the end of the text" }
        let byte = bytes[position]
        if (0x21...0x7E).contains(byte) { return "'\(Character(Unicode.Scalar(byte)))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return "the byte 0x\(digits.count == 1 ? "0" : "")\(digits)"
    }

    private func error(_ reason: JSONReadError.Reason, _ message: String) -> JSONReadError {
        JSONReadError(reason, at: position, in: bytes, message)
    }

    private func unexpected(
        _ expectation: String, _ reason: JSONReadError.Reason = .unexpectedByte
    ) -> JSONReadError {
        error(
            position < bytes.count ? reason : .unexpectedEnd,
            "Expected \(expectation), got \(found).")
    }
}

/// Finds repeated names without hashing the short objects that nearly all requests are made of.
///
/// Names are compared by their bytes: Swift's own equality takes two spellings of one accented
/// letter for the same, JSON does not.
private struct MemberNames {
    private static let scannedMax = 16
    private var set: Set<[UInt8]> = []

    /// Adds a name; returns false if one of the members before it has that name.
    mutating func insert(_ name: String, after members: [JSONMember]) -> Bool {
        if members.count < Self.scannedMax {
            return !members.contains { $0.name.utf8.elementsEqual(name.utf8) }
        }
        if set.isEmpty { set = Set(members.map { Array($0.name.utf8) }) }
        return set.insert(Array(name.utf8)).inserted
    }
}

extension String {
    /// The first 64 characters, short enough to be quoted in a message.
    var shortened: String {
        guard unicodeScalars.count > 64 else { return self }
        return String(UnicodeScalarView(unicodeScalars.prefix(64))) + "…"
    }
}
