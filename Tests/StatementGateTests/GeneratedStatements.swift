import StatementGate
import Testing

/// Statements put together from pieces whose meaning is known, and so the gate's verdict.
///
/// The seed is fixed: a fault found once is found again.
@Suite("Generated statements")
struct GeneratedStatements {
    @Test("Whatever stands in quotes and comments, one statement is one statement")
    func acceptsOneStatement() throws {
        var source = StatementSource(seed: 0x7A4D_E301)
        for _ in 0..<4000 {
            let (sql, parameterCount) = source.statement()
            let inspected = try StatementGate.inspect(sql)
            #expect(inspected.returnsRows, "\(sql)")
            #expect(inspected.parameterCount == parameterCount, "\(sql)")
        }
    }

    @Test("A second statement is always seen")
    func refusesSecondStatement() {
        var source = StatementSource(seed: 0x7A4D_E302)
        for _ in 0..<4000 {
            let sql = source.statement().sql + "\n;" + source.blank() + source.statement().sql
            let refusal = #expect(throws: StatementRefusal.self) { try StatementGate.inspect(sql) }
            #expect(refusal?.reason == .severalStatements, "\(sql)")
        }
    }

    @Test("A verb of control is always seen, whatever precedes and follows it")
    func refusesTransactionControl() {
        var source = StatementSource(seed: 0x7A4D_E303)
        for _ in 0..<4000 {
            let verb = source.mixedCase(source.pick(["commit", "rollback", "savepoint a", "end"]))
            let sql = source.leading() + verb + source.blank() + source.pick(["", ";", "; ;"])
            let refusal = #expect(throws: StatementRefusal.self) { try StatementGate.inspect(sql) }
            #expect(refusal?.reason == .transactionControl, "\(sql)")
        }
    }

    @Test("Any text gets a verdict, and its offset lies within the text")
    func judgesAnyText() {
        var source = StatementSource(seed: 0x7A4D_E304)
        let pieces = [
            "'", "\"", "$", "$$", "$a$", ";", "--", "/*", "*/", "\\", "E'", "\n", " ", "$1", "(",
            ")",
            "select", "commit", "é", "\0", "begin atomic", "end", "case", "create function", "1",
        ]
        for _ in 0..<20_000 {
            let sql = (0..<source.below(12)).map { _ in source.pick(pieces) }.joined()
            do {
                let inspected = try StatementGate.inspect(sql)
                #expect((0...65535).contains(inspected.parameterCount))
            } catch {
                #expect((0...sql.utf8.count).contains(error.offset ?? 0), "\(sql)")
                #expect(error.message.hasSuffix("."))
            }
        }
    }
}

/// Makes statements from a seed.
private struct StatementSource {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    /// The generator SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int {
        Int(next() % UInt64(bound))
    }

    mutating func pick(_ choices: [String]) -> String {
        choices[below(choices.count)]
    }

    mutating func mixedCase(_ text: String) -> String {
        String(text.map { below(2) == 0 ? Character($0.uppercased()) : $0 })
    }

    /// Text that would be trouble outside quotes.
    private mutating func trouble() -> String {
        (0..<below(5)).map { _ in
            pick(["; COMMIT", "--", "$1", "é", " ", "returning", "\n", "$a", ";", "END"])
        }.joined()
    }

    mutating func blank() -> String {
        switch below(5) {
        case 0: " "
        case 1: "\n\t"
        case 2: "/*\(trouble())/* ; */' \" */"
        case 3: "--'\(trouble().replacingLineBreaks)\n"
        default: " \u{c} "
        }
    }

    mutating func leading() -> String {
        (0..<below(4)).map { _ in blank() + pick(["", ";"]) }.joined()
    }

    /// One operand, with the highest placeholder in it.
    private mutating func operand() -> (String, Int) {
        switch below(7) {
        case 0: return ("'\(trouble())''\(trouble())'", 0)
        case 1: return ("E'\(trouble())\\'\(trouble())\\\\'", 0)
        case 2: return ("\"\(trouble())\"\"\"", 0)
        case 3: return ("$tag$\(trouble())'$$\"$tag$", 0)
        case 4: return ("$$\(trouble().filter { $0 != "$" })'\"/*$$", 0)
        case 5:
            let number = 1 + below(30)
            return ("$\(number)", number)
        default: return ("a$1 + 1.5e3", 0)
        }
    }

    mutating func statement() -> (sql: String, parameterCount: Int) {
        var sql = leading() + mixedCase("select") + " "
        var parameterCount = 0
        for index in 0...below(6) {
            let (text, number) = operand()
            sql += (index == 0 ? "" : ",") + blank() + text + blank()
            parameterCount = max(parameterCount, number)
        }
        return (sql, parameterCount)
    }
}

extension String {
    fileprivate var replacingLineBreaks: String {
        String(map { $0 == "\n" ? " " : $0 })
    }
}
