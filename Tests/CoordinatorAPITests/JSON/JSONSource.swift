import CoordinatorAPI

/// Makes JSON values from a seed.
struct JSONSource {
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

    mutating func text() -> String {
        let scalars: [Unicode.Scalar] = [
            "a", "\"", "\\", "/", "\n", "\0", "\u{1F}", "\u{7F}", "é", "\u{FFFF}", "😀", "{",
            "\u{301}",
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<below(8) { text.append(scalars[below(scalars.count)]) }
        return String(text)
    }

    mutating func value(depth: Int) -> JSONValue {
        switch below(depth > 0 ? 7 : 4) {
        case 0: return [.null, .bool(true), .bool(false)][below(3)]
        case 1: return .number("-\(next()).\(next())e+\(below(400))")
        case 2: return .number("\(below(10))")
        case 3: return .string(text())
        case 4, 5: return .array((0..<below(5)).map { _ in value(depth: depth - 1) })
        default:
            return .object(
                (0..<below(20)).map { JSONMember(text() + "\($0)", value(depth: depth - 1)) })
        }
    }
}
