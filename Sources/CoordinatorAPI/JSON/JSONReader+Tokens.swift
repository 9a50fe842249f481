extension JSONReader {
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

    mutating func readLiteral(
        _ literal: StaticString, _ value: JSONValue
    ) throws(JSONReadError) -> JSONValue {
        for expected in literal.description.utf8 {
            guard consume(expected) else { throw unexpectedByte("'\(literal)' was expected") }
        }
        return value
    }

    /// Reads a number and gives back its text.
    mutating func readNumber() throws(JSONReadError) -> String {
        let start = position
        _ = consume(UInt8(ascii: "-"))
        if consume(UInt8(ascii: "0")) {
            if nextIsDigit {
                throw failure(.invalidNumber, "A number must not have leading zeros.")
            }
        } else {
            try skipDigits("A digit must follow the '-' of a number")
        }
        if consume(UInt8(ascii: ".")) {
            try skipDigits("A digit must follow the decimal point of a number")
        }
        if consume(UInt8(ascii: "e")) || consume(UInt8(ascii: "E")) {
            if !consume(UInt8(ascii: "+")) { _ = consume(UInt8(ascii: "-")) }
            try skipDigits("A digit must follow in the exponent of a number")
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private var nextIsDigit: Bool {
        position < bytes.count
            && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position])
    }

    private mutating func skipDigits(_ rule: String) throws(JSONReadError) {
        guard nextIsDigit else {
            throw failure(
                position == bytes.count ? .unexpectedEnd : .invalidNumber,
                "\(rule), but \(found) does.")
        }
        while nextIsDigit { position += 1 }
    }

    // MARK: Faults

    /// What stands at the position, for a sentence.
    var found: String {
        guard position < bytes.count else { return "the end of the text" }
        let byte = bytes[position]
        if (0x21...0x7E).contains(byte) { return "'\(Character(Unicode.Scalar(byte)))'" }
        let digits = String(byte, radix: 16, uppercase: true)
        return "the byte 0x\(digits.count == 1 ? "0" : "")\(digits)"
    }

    func failure(_ reason: JSONReadError.Reason, _ sentence: String) -> JSONReadError {
        JSONReadError(reason, at: position, in: bytes, sentence)
    }

    func unexpectedByte(_ expectation: String) -> JSONReadError {
        guard position < bytes.count else { return unexpectedEnd(expectation) }
        return failure(.unexpectedByte, "Found \(found) where \(expectation).")
    }

    func unexpectedEnd(_ expectation: String) -> JSONReadError {
        failure(.unexpectedEnd, "The text ends where \(expectation).")
    }
}
