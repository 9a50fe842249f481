/// Cuts a statement into the few tokens that the gate needs, as PostgreSQL's own scanner would.
///
/// It skips strings, quoted identifiers, dollar quotes and comments, so that a semicolon or a keyword in
/// them means nothing. It follows `scan.l` of PostgreSQL 15 and later with
/// `standard_conforming_strings = on`. In a session with that setting off, the server could see another
/// end of a string; so statements are always sent by the extended protocol as well, which refuses a second
/// statement by itself.
struct StatementLexer {
    enum Token: Hashable {
        /// An unquoted word, as a range of bytes.
        case word(Range<Int>)
        /// The number of a placeholder; nil if it is far too great.
        case placeholder(Int?)
        case semicolon
        case openParenthesis
        case closeParenthesis
        /// A literal, a quoted identifier, a number or punctuation.
        case other
    }

    let bytes: [UInt8]
    private var position = 0
    /// The offset of the last token.
    private(set) var tokenStart = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The next token, or `nil` at the end.
    mutating func next() throws(StatementRefusal) -> Token? {
        try skipBlanks()
        guard position < bytes.count else { return nil }
        tokenStart = position
        let byte = bytes[position]
        switch byte {
        case UInt8(ascii: ";"): return single(.semicolon)
        case UInt8(ascii: "("): return single(.openParenthesis)
        case UInt8(ascii: ")"): return single(.closeParenthesis)
        case UInt8(ascii: "'"): return try quoted(by: byte, "string")
        case UInt8(ascii: "\""): return try quoted(by: byte, "quoted identifier")
        case UInt8(ascii: "$"): return try dollar()
        case 0: throw StatementRefusal(.nulCharacter, at: position, "SQL must not contain NUL.")
        default: return Self.startsWord(byte) ? try word() : single(.other)
        }
    }

    // MARK: Words

    private mutating func word() throws(StatementRefusal) -> Token {
        while let byte = peek(), Self.continuesWord(byte) { position += 1 }
        if position == tokenStart + 1, bytes[tokenStart] | 0x20 == UInt8(ascii: "e"),
            peek() == UInt8(ascii: "'")
        {
            return try escapeString()
        }
        return .word(tokenStart..<position)
    }

    private static func startsWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    /// A `$` continues a word and never starts one: `a$b$` is a word and no dollar quote.
    private static func continuesWord(_ byte: UInt8) -> Bool {
        startsWord(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    // MARK: White space and comments

    /// Skips white space and comments; block comments nest.
    private mutating func skipBlanks() throws(StatementRefusal) {
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

    /// Skips to the end of the line.
    private mutating func skipLine() {
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

    // MARK: Quotes

    /// Skips to the closing quote; a doubled one stands for itself.
    private mutating func quoted(by quote: UInt8, _ what: String) throws(StatementRefusal) -> Token
    {
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
    private mutating func escapeString() throws(StatementRefusal) -> Token {
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

    /// Skips white space with a line break in it, with comments to the end of a line, and the quote after
    /// it; skips nothing if it is anything else.
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

    private mutating func dollar() throws(StatementRefusal) -> Token {
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

    // MARK: Bytes

    private func peek(_ distance: Int = 0) -> UInt8? {
        let index = position + distance
        return index < bytes.count ? bytes[index] : nil
    }

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func single(_ token: Token) -> Token {
        position += 1
        return token
    }

    private func refuseNUL(_ byte: UInt8) throws(StatementRefusal) {
        if byte == 0 {
            throw StatementRefusal(.nulCharacter, at: position, "SQL must not contain NUL.")
        }
    }

    private func unterminated(_ what: String) -> StatementRefusal {
        StatementRefusal(
            .unterminated, at: tokenStart,
            "The \(what) that starts at byte \(tokenStart) does not end.")
    }
}
