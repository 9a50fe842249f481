/// One JSON value, exactly as it was written.
///
/// Numbers stay text, because `9007199254740993` and a price with thirty digits must reach
/// PostgreSQL as the caller wrote them, and no binary floating point can promise that. Members
/// keep the order of the text.
package enum JSONValue: Hashable, Sendable {
    /// The literal `null`.
    case null
    /// The literals `true` and `false`.
    case bool(Bool)
    /// A number as the text that RFC 8259 allows, for example `-0.10` or `1e+20`.
    case number(String)
    /// A string, with its escapes resolved.
    case string(String)
    /// An array.
    case array([JSONValue])
    /// An object: its members in the order of the text, no name twice.
    case object([JSONMember])

    /// The value of the member of that name, or `nil` if this is no object or has no such member.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The element at that place, or `nil` if this is no array or is shorter.
    package subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text of a string, or `nil` for any other kind of value.
    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of a number that is an integer of 64 bits; `5000`, `5000.0` and `5e3` are the
    /// same integer to JSON Schema, and here.
    package var integer: Int? {
        if case .number(let text) = self { Self.integer(text) } else { nil }
    }

    /// The value of a number's text, if it is an integer of 64 bits.
    static func integer(_ text: String) -> Int? {
        if let value = Int(text) { return value }
        var digits: [UInt8] = []
        var exponent = 0
        var isFraction = false
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "."):
                isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                guard let written = Int(String(decoding: rest, as: UTF8.self)),
                    (-1_000_000...1_000_000).contains(written)
                else { return nil }
                exponent += written
                rest = rest[rest.endIndex...]
            default:
                digits.append(byte)
                if isFraction { exponent -= 1 }
            }
        }
        while exponent < 0, digits.last == UInt8(ascii: "0") {
            digits.removeLast()
            exponent += 1
        }
        if !digits.contains(where: { (UInt8(ascii: "1")...UInt8(ascii: "9")).contains($0) }) {
            return 0
        }
        guard (0...18).contains(exponent) else { return nil }
        digits += Array(repeating: UInt8(ascii: "0"), count: exponent)
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// What a message says it got: a number itself, of anything else its kind.
    var described: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number(let text): text.shortened
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// One member of a JSON object.
package struct JSONMember: Hashable, Sendable {
    /// The member's name, with its escapes resolved.
    package let name: String
    /// The member's value.
    package let value: JSONValue

    /// Makes a member of a name and a value.
    package init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}

/// The place of a value in a JSON text, as RFC 6901 writes it: `/branches/0/statements`.
///
/// The empty pointer names the whole text. Appending is cheap enough to be done while a request is
/// read, and no text is made before an error needs it.
struct JSONPointer: Hashable, Sendable, CustomStringConvertible {
    private let tokens: [String]
    /// The last token, if it is an element's place: kept apart so that the pointer to an element costs
    /// no memory, for most are never written.
    private let index: Int?

    private init(tokens: [String], index: Int? = nil) {
        self.tokens = tokens
        self.index = index
    }

    /// The pointer to the whole text.
    static let root = JSONPointer(tokens: [])

    /// The pointer to the member of that name.
    func member(_ name: String) -> JSONPointer { JSONPointer(tokens: allTokens + [name]) }

    /// The pointer to the element at that place.
    func element(_ index: Int) -> JSONPointer { JSONPointer(tokens: allTokens, index: index) }

    private var allTokens: [String] { index.map { tokens + ["\($0)"] } ?? tokens }

    var description: String {
        // By scalars: a combining mark after a slash makes one character with it.
        var text = String.UnicodeScalarView()
        for token in allTokens {
            text.append("/")
            for scalar in token.unicodeScalars {
                switch scalar {
                case "~": text.append(contentsOf: "~0".unicodeScalars)
                case "/": text.append(contentsOf: "~1".unicodeScalars)
                default: text.append(scalar)
                }
            }
        }
        return String(text)
    }
}
