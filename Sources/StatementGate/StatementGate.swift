/// The gate that every statement of a caller passes before it is sent to a participant.
///
/// The caller writes the work of a branch, and the coordinator alone begins, prepares and ends it: a
/// `COMMIT` among the statements would make half of a global transaction durable before any decision.
/// The gate refuses such statements by their first words, and a second statement after a semicolon. It is
/// the first of two defences: command tags are verified afterwards. What only the server can know (a
/// temporary table, a function that sets a role) is left to the server.
package enum StatementGate {
    /// Inspects one statement.
    ///
    /// - Parameter sql: the statement, as the caller wrote it.
    /// - Throws: ``StatementRefusal`` for the first rule that it breaks.
    package static func inspect(_ sql: String) throws(StatementRefusal) -> StatementFacts {
        var inspection = StatementInspection(Array(sql.utf8))
        return try inspection.run()
    }
}

/// One walk over the tokens of one statement.
private struct StatementInspection {
    /// The length of the longest keyword after a statement's opening, in a string without an allocation.
    private static let keywordBytesMax = 15

    /// The schema of the journal of decisions.
    private static let reservedSchema = Array("tandem_participant".utf8)

    private var lexer: StatementLexer
    private var opening = StatementOpening()
    private var isOpening = true
    private var previousWord = ""
    private var hasReturning = false
    private var placeholderMax = 0
    private var parenthesisDepth = 0
    private var routineBodyDepth = 0

    init(_ bytes: [UInt8]) {
        lexer = StatementLexer(bytes)
    }

    mutating func run() throws(StatementRefusal) -> StatementFacts {
        var isEmpty = true
        while let token = try lexer.next() {
            if token == .semicolon {
                if isEmpty { continue }
                if parenthesisDepth <= 0, routineBodyDepth == 0 {
                    try requireEnd()
                    break
                }
            }
            isEmpty = false
            try take(token)
        }
        if isEmpty { throw StatementRefusal(.empty, "The statement is empty.") }
        if let refusal = opening.refusal { throw refusal }
        if let offset = lexer.bytes.firstOffset(of: Self.reservedSchema) {
            throw StatementRefusal(
                .reservedName, at: offset,
                "The schema tandem_participant belongs to the coordinator; a statement must not name it."
            )
        }
        return StatementFacts(
            returnsRows: hasReturning || opening.returnsRows,
            parameterCount: opening.createsRoutine ? 0 : placeholderMax,
            isNotification: opening.words.first == "NOTIFY")
    }

    private mutating func take(_ token: StatementLexer.Token) throws(StatementRefusal) {
        if case .word(let range) = token {
            try take(word: text(of: range))
            return
        }
        previousWord = ""
        switch token {
        case .word: break
        case .openParenthesis:
            parenthesisDepth += 1
            isOpening = isOpening && opening.words.isEmpty
        case .closeParenthesis:
            parenthesisDepth -= 1
            isOpening = false
        case .placeholder(let number):
            isOpening = false
            try take(placeholder: number)
        case .semicolon, .other:
            isOpening = false
        }
    }

    private mutating func take(word: String) throws(StatementRefusal) {
        if isOpening { isOpening = opening.append(word) }
        if word == "RETURNING" { hasReturning = true }
        if opening.createsRoutine { followRoutineBody(word) }
        if opening.words.first == "COPY", parenthesisDepth == 0,
            word == "STDIN" || word == "STDOUT", previousWord == "FROM" || previousWord == "TO"
        {
            throw StatementRefusal(
                .copyProtocol, at: lexer.tokenStart,
                "COPY \(previousWord) \(word) needs the COPY protocol, which tandem does not support."
            )
        }
        previousWord = word
    }

    /// Counts the blocks in `CREATE FUNCTION ... BEGIN ATOMIC ...; ...; END`, whose semicolons separate
    /// statements of the body.
    private mutating func followRoutineBody(_ word: String) {
        if routineBodyDepth == 0 {
            if word == "ATOMIC", previousWord == "BEGIN" { routineBodyDepth = 1 }
        } else if word == "CASE" {
            routineBodyDepth += 1
        } else if word == "END" {
            routineBodyDepth -= 1
        }
    }

    private mutating func take(placeholder number: Int?) throws(StatementRefusal) {
        guard let number, (1...65535).contains(number) else {
            throw StatementRefusal(
                .placeholderNumber, at: lexer.tokenStart,
                "A placeholder's number must be between $1 and $65535.")
        }
        placeholderMax = max(placeholderMax, number)
    }

    /// Requires that only semicolons, white space and comments follow.
    private mutating func requireEnd() throws(StatementRefusal) {
        while let token = try lexer.next() {
            if token == .semicolon { continue }
            throw StatementRefusal(
                .severalStatements, at: lexer.tokenStart,
                "Expected one statement, got another at byte \(lexer.tokenStart); send each as an "
                    + "element of `statements`.")
        }
    }

    /// A word in capitals (PostgreSQL's keywords are ASCII), or "" if it is too long for a keyword.
    private func text(of range: Range<Int>) -> String {
        guard isOpening || range.count <= Self.keywordBytesMax else { return "" }
        return String(unsafeUninitializedCapacity: range.count) { buffer in
            for (offset, byte) in lexer.bytes[range].enumerated() {
                let isLower = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                buffer[offset] = isLower ? byte & ~0x20 : byte
            }
            return range.count
        }
    }
}

extension [UInt8] {
    /// The first offset of these lower-case letters, in any case.
    fileprivate func firstOffset(of name: [UInt8]) -> Int? {
        guard let first = name.first, count >= name.count else { return nil }
        for start in 0...(count - name.count) where self[start] | 0x20 == first {
            let isHere = name.indices.allSatisfy { index in
                let byte = self[start + index]
                return byte == name[index]
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                        && byte | 0x20 == name[index]
            }
            if isHere { return start }
        }
        return nil
    }
}
