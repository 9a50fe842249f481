extension JSONReader {
    /// Reads the string that starts at the position, quotes included.
    ///
    /// A string without escapes, which is nearly every one, is copied in one piece.
    mutating func readString() throws(JSONReadError) -> String {
        position += 1
        let start = position
        try skipPlainBytes()
        if bytes[position] == UInt8(ascii: "\"") {
            let text = try decoded(bytes[start..<position])
            position += 1
            return text
        }
        return try readEscapedString(from: start)
    }

    /// Moves to the next quote or backslash.
    private mutating func skipPlainBytes() throws(JSONReadError) {
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { return }
            if byte < 0x20 {
                throw failure(
                    .controlCharacter,
                    "A control character in a string must be escaped, but \(found) is not.")
            }
            position += 1
        }
        throw unexpectedEnd("the closing quote of a string was expected")
    }

    /// Reads on from the first backslash.
    private mutating func readEscapedString(from start: Int) throws(JSONReadError) -> String {
        var text = try decoded(bytes[start..<position])
        while true {
            if consume(UInt8(ascii: "\"")) { return text }
            text.unicodeScalars.append(try readEscape())
            let next = position
            try skipPlainBytes()
            text += try decoded(bytes[next..<position])
        }
    }

    private mutating func readEscape() throws(JSONReadError) -> Unicode.Scalar {
        let start = position
        position += 1
        guard position < bytes.count else { throw unexpectedEnd("an escape was expected") }
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
            throw failure(.invalidEscape, "A backslash in a string must not precede \(found).")
        }
    }

    private mutating func readUnicodeEscape(
        from start: Int
    ) throws(JSONReadError) -> Unicode.Scalar {
        let first = try readFourDigits()
        if let scalar = Unicode.Scalar(first) { return scalar }
        if UTF16.isLeadSurrogate(UInt16(truncatingIfNeeded: first)),
            position + 1 < bytes.count,
            bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
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
        throw failure(
            .loneSurrogate, "A \\u escape must not name half of a surrogate pair alone.")
    }

    private mutating func readFourDigits() throws(JSONReadError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count else {
                throw unexpectedEnd("four hexadecimal digits were expected")
            }
            guard let digit = hexadecimalDigit(bytes[position]) else {
                throw failure(
                    .invalidEscape, "Four hexadecimal digits must follow \\u, not \(found).")
            }
            value = value << 4 | digit
            position += 1
        }
        return value
    }

    private func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    // MARK: UTF-8

    private func decoded(_ slice: ArraySlice<UInt8>) throws(JSONReadError) -> String {
        if let text = String(validating: slice, as: UTF8.self) { return text }
        throw JSONReadError(
            .invalidUTF8, at: firstBrokenOffset(in: slice), in: bytes,
            "The bytes of a string must be UTF-8.")
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
}
