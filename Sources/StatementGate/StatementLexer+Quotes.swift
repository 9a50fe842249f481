extension StatementLexer {
    /// Skips to the closing quote; a doubled one stands for itself.
    mutating func quoted(by quote: UInt8, _ what: String) throws(StatementRefusal) -> Token {
        position += 1
        while let byte = peek() {
            try refuseNUL(byte)
            position += 1
            if byte == quote, !skip(quote) { return .other }
        }
        throw unterminated(what)
    }

    /// Skips `E'...'`, in which a backslash takes the next character with it.
    ///
    /// After a line break the string may go on in a second pair of quotes, and backslashes count
    /// there too, although no `E` precedes it.
    mutating func escapeString() throws(StatementRefusal) -> Token {
        position += 1
        while let byte = peek() {
            try refuseNUL(byte)
            position += 1
            if byte == UInt8(ascii: "\\"), let escaped = peek() {
                try refuseNUL(escaped)
                position += 1
            } else if byte == UInt8(ascii: "'"), !skip(byte), !skipContinuation() {
                return .other
            }
        }
        throw unterminated("string")
    }

    /// Moves past white space with a line break in it, comments to the end of a line included, and
    /// the quote after it; without them it moves nowhere.
    private mutating func skipContinuation() -> Bool {
        let start = position
        var hasLineBreak = false
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                hasLineBreak = true
                position += 1
            case UInt8(ascii: " "), UInt8(ascii: "\t"), 0x0B, 0x0C:
                position += 1
            case UInt8(ascii: "-") where peek(1) == byte:
                skipLine()
            case UInt8(ascii: "'") where hasLineBreak:
                position += 1
                return true
            default:
                position = start
                return false
            }
        }
        position = start
        return false
    }

    // MARK: Dollars

    mutating func dollar() throws(StatementRefusal) -> Token {
        position += 1
        if let byte = peek(), Self.isDigit(byte) { return placeholder() }
        var end = position
        while end < bytes.count, bytes[end] != UInt8(ascii: "$") {
            let byte = bytes[end]
            let isTag = Self.startsWord(byte) || (end > position && Self.isDigit(byte))
            guard isTag else { return .other }
            end += 1
        }
        guard end < bytes.count else { return .other }
        let delimiter = bytes[tokenStart...end]
        position = end + 1
        while let byte = peek() {
            try refuseNUL(byte)
            if byte == UInt8(ascii: "$"), bytes[position...].starts(with: delimiter) {
                position += delimiter.count
                return .other
            }
            position += 1
        }
        throw unterminated("dollar-quoted string")
    }

    private mutating func placeholder() -> Token {
        var number: Int? = 0
        while let byte = peek(), Self.isDigit(byte) {
            if let value = number {
                let next = value * 10 + Int(byte - UInt8(ascii: "0"))
                number = next <= 1_000_000 ? next : nil
            }
            position += 1
        }
        return .placeholder(number)
    }
}
