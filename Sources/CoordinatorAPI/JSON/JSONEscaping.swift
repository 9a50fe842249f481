extension [UInt8] {
    /// Appends a text with all escapes that RFC 8259 demands, in as few pieces as there are.
    ///
    /// - Parameter isUnicode: Whether the text is known to be UTF-8; otherwise it is checked, and
    ///   what is not becomes U+FFFD. A server whose encoding is `SQL_ASCII` hands out any bytes.
    mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, isUnicode: Bool) {
        if !isUnicode, text.contains(where: { $0 >= 0x80 }),
            String(validating: text, as: UTF8.self) == nil
        {
            let repaired = Array(String(decoding: text, as: UTF8.self).utf8)
            repaired.withUnsafeBufferPointer { appendEscaped($0, isUnicode: true) }
            return
        }
        var start = 0
        for offset in text.indices {
            let byte = text[offset]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
            else { continue }
            append(contentsOf: text[start..<offset])
            appendEscape(of: byte)
            start = offset + 1
        }
        append(contentsOf: text[start...])
    }

    private mutating func appendEscape(of byte: UInt8) {
        append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
        case UInt8(ascii: "\n"): append(UInt8(ascii: "n"))
        case UInt8(ascii: "\r"): append(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): append(UInt8(ascii: "t"))
        default:
            append(contentsOf: "u00".utf8)
            append(contentsOf: byte < 0x10 ? "0".utf8 : "1".utf8)
            append(contentsOf: String(byte & 0x0F, radix: 16).utf8)
        }
    }
}
