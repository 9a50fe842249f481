/// Cuts a statement into the few tokens that the gate needs, as PostgreSQL's own scanner would.
///
/// What stands inside strings, quoted identifiers, dollar quotes and comments is skipped, so that a
/// semicolon or a keyword there means nothing. It follows `scan.l` of PostgreSQL 15 and later with
/// `standard_conforming_strings = on`. If a session had it off, the two could disagree about where
/// a string ends; the extended protocol, which refuses a second statement by itself, is therefore
/// always used as well.
struct StatementLexer {
    enum Token: Hashable {
        /// An unquoted word, as a range of bytes.
        case word(Range<Int>)
        /// The number of a placeholder; `nil` if it is beyond any count.
        case placeholder(Int?)
        case semicolon
        case openParenthesis
        case closeParenthesis
        /// A literal, a quoted identifier, a number or a character of punctuation.
        case other
    }

    let bytes: [UInt8]
    var position = 0
    /// Where the token given last starts.
    var tokenStart = 0

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

    static func startsWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    /// A `$` continues a word, but never starts one: `a$b$` is one word and no dollar quote.
    private static func continuesWord(_ byte: UInt8) -> Bool {
        startsWord(byte) || isDigit(byte) || byte == UInt8(ascii: "$")
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    // MARK: Bytes

    func peek(_ distance: Int = 0) -> UInt8? {
        let index = position + distance
        return index < bytes.count ? bytes[index] : nil
    }

    mutating func skip(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func single(_ token: Token) -> Token {
        position += 1
        return token
    }

    func refuseNUL(_ byte: UInt8) throws(StatementRefusal) {
        if byte == 0 {
            throw StatementRefusal(.nulCharacter, at: position, "SQL must not contain NUL.")
        }
    }

    func unterminated(_ what: String) -> StatementRefusal {
        StatementRefusal(
            .unterminated, at: tokenStart,
            "The \(what) that starts at byte \(tokenStart) does not end.")
    }
}
