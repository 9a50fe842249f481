extension StatementLexer {
    /// Moves past white space and comments; block comments nest.
    mutating func skipBlanks() throws(StatementRefusal) {
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"),
                0x0B, 0x0C:
                position += 1
            case UInt8(ascii: "-") where peek(1) == byte:
                skipLine()
            case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
                try skipBlockComment()
            default:
                return
            }
        }
    }

    /// Moves to the end of a comment that ends with its line.
    mutating func skipLine() {
        while let byte = peek(), byte != UInt8(ascii: "\n"), byte != UInt8(ascii: "\r"), byte != 0 {
            position += 1
        }
    }

    private mutating func skipBlockComment() throws(StatementRefusal) {
        tokenStart = position
        var depth = 0
        while let byte = peek() {
            try refuseNUL(byte)
            if byte == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
                depth += 1
                position += 2
            } else if byte == UInt8(ascii: "*"), peek(1) == UInt8(ascii: "/") {
                depth -= 1
                position += 2
                if depth == 0 { return }
            } else {
                position += 1
            }
        }
        throw unterminated("comment")
    }
}
