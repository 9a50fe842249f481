@testable import CoordinatorAPI

/// Makes bodies that begin a transaction from a seed: right ones, and ones with faults.
struct BodySource {
    /// Small, so that bodies are often at a limit, and with faults beyond one.
    static let limits: WireLimits = {
        var limits = WireLimits()
        limits.branchesMax = 2
        limits.statementsPerBranchMax = 2
        limits.parametersPerStatementMax = 3
        limits.sqlCharactersMax = 12
        limits.labelsMax = 2
        limits.labelValueCharactersMax = 16
        limits.depthMax = 8
        return limits
    }()

    private var random: JSONSource
    /// Whether parts may be wrong.
    private let hasFaults: Bool

    init(seed: UInt64, hasFaults: Bool) {
        random = JSONSource(seed: seed)
        self.hasFaults = hasFaults
    }

    /// A body's bytes.
    mutating func body() -> [UInt8] {
        var members = [("branches", array(1 + random.below(2)) { $0.branch() })]
        addOptional("commit", to: &members) { $0.quoted("auto") }
        addOptional("timeoutMilliseconds", to: &members) {
            $0.pick(["1", "5000", "5e3", "50.00E+2", "60000", "0.1e1"])
        }
        addOptional("isolation", to: &members) { source in
            source.quoted(source.pick(["readCommitted", "repeatableRead", "serializable"]))
        }
        addOptional("lockTimeoutMilliseconds", to: &members) { $0.pick(["1", "2e2", "60000"]) }
        addOptional("execution", to: &members) { source in
            source.quoted(source.pick(["parallel", "inOrder"]))
        }
        addOptional("retries", to: &members) { $0.pick(["0", "100", "1e1"]) }
        addOptional("onePhase", to: &members) { $0.pick(["true", "false"]) }
        addOptional("labels", to: &members) { $0.labels() }
        var bytes = Array((space() + object(members) + space()).utf8)
        if isWrong() { damage(&bytes) }
        return bytes
    }

    private mutating func branch() -> String {
        var members = [
            ("participant", quoted(pick(["users", "a-1", "orders"]))),
            ("statements", array(1 + random.below(2)) { $0.statement() }),
        ]
        addOptional("readOnly", to: &members) { $0.pick(["true", "false"]) }
        addOptional("isolation", to: &members) { $0.quoted("serializable") }
        addOptional("lockTimeoutMilliseconds", to: &members) { $0.pick(["1", "60000"]) }
        return object(members)
    }

    private mutating func statement() -> String {
        var members = [("sql", quoted(pick(["SELECT 1", "SELECT \"a\"", "a\n\tb", "é😀 \u{301}"])))]
        addOptional("parameters", to: &members) { source in
            source.array(source.random.below(4)) { $0.parameter() }
        }
        addOptional("expectRows", to: &members) {
            $0.pick([
                "0", "1", "2147483647", #"{"min":1}"#, #"{"max":1e1}"#, #"{ "max" : 2 , "min":2}"#,
            ])
        }
        return object(members)
    }

    private mutating func parameter() -> String {
        switch random.below(3) {
        case 0: return quoted(text())
        case 1: return pick(["null", "true", "false", "-0.10", "9007199254740993", "1e+20"])
        default:
            var writer = JSONWriter()
            writer.value(random.value(depth: 2))
            return writer.bytes.contains(Array(#"\u0000"#.utf8)) ? "null" : writer.text
        }
    }

    private mutating func labels() -> String {
        object((0..<random.below(3)).map { ("l\($0)", quoted(String(text().prefix(2)))) })
    }

    // MARK: Parts

    private mutating func addOptional(
        _ name: String, to members: inout [(String, String)],
        value: (inout BodySource) -> String
    ) {
        if random.below(3) == 0 { members.append((name, value(&self))) }
    }

    /// An object of members in any order; with faults, it may lack some, have some twice or others.
    private mutating func object(_ members: [(String, String)]) -> String {
        var members = members
        for index in members.indices.dropFirst() {
            members.swapAt(index, random.below(index + 1))
        }
        if isWrong(), !members.isEmpty {
            let index = random.below(members.count)
            switch random.below(5) {
            case 0: members.append(members[index])
            case 1: members.remove(at: index)
            case 2: members[index].1 = wrongValue()
            case 3: members.append((pick(["x", "branches", "sql", "SQL", ""]), wrongValue()))
            default: members.append(("sq\u{6C}", quoted("SELECT 2")))
            }
        }
        let texts = members.map { name, value in
            // Nobody escapes these names, and one that is escaped is left to the explainer.
            (isWrong() ? quoted(name) : "\"\(name)\"") + space() + ":" + space() + value
        }
        return list(texts, from: "{", to: "}")
    }

    private mutating func array(_ count: Int, _ element: (inout BodySource) -> String) -> String {
        let count = isWrong() ? random.below(5) : count
        return list(
            (0..<count).map { _ in isWrong() ? wrongValue() : element(&self) }, from: "[", to: "]")
    }

    private mutating func list(_ texts: [String], from start: String, to end: String) -> String {
        start + space() + texts.map { $0 + space() }.joined(separator: "," + space()) + end
    }

    private mutating func wrongValue() -> String {
        pick([
            "null", "0", "-1", "1.5", "60001", "01", "\"\"", "\"a\\u0000\"", "\"Users\"", "[]",
            "{}",
            "[[[[[[[[]]]]]]]]", "\"serialisable\"", "\"a statement that is too long\"",
            "\"éééééééééé\"",
            "[1,2,3,4]", "truE", "\"\\uD800\"", "\"\\x\"", "\"a\nb\"", "+1", "1e400",
        ])
    }

    /// Changes, removes or repeats some bytes.
    private mutating func damage(_ bytes: inout [UInt8]) {
        let offset = random.below(bytes.count)
        switch random.below(4) {
        case 0: bytes.remove(at: offset)
        case 1: bytes[offset] = UInt8(random.below(256))
        case 2: bytes.removeLast(bytes.count - offset)
        default: bytes.insert(bytes[random.below(bytes.count)], at: offset)
        }
    }

    private mutating func isWrong() -> Bool { hasFaults && random.below(40) == 0 }

    private mutating func pick(_ texts: [String]) -> String { texts[random.below(texts.count)] }

    private mutating func space() -> String { pick(["", "", "", " ", "\r\n\t"]) }

    /// Text without NUL.
    private mutating func text() -> String {
        String(String.UnicodeScalarView(random.text().unicodeScalars.filter { $0 != "\0" }))
    }

    /// A string in quotes, now and then with escapes that it does not need.
    private mutating func quoted(_ text: String) -> String {
        var quoted = "\""
        for unit in text.utf16 {
            let isPlain = (0x20...0x7E).contains(unit) && unit != 0x22 && unit != 0x5C
            if isPlain, random.below(20) > 0 {
                quoted.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
            } else {
                let digits = String(unit, radix: 16, uppercase: random.below(2) == 0)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            }
        }
        if random.below(4) == 0 {
            var writer = JSONWriter()
            writer.string(text)
            return writer.text
        }
        return quoted + "\""
    }
}
