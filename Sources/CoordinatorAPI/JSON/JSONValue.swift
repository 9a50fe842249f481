/// One JSON value, exactly as it was written.
///
/// Numbers stay text, because `9007199254740993` and a price with thirty digits must reach
/// PostgreSQL as the caller wrote them, and no binary floating point can promise that. Members
/// keep the order of the text.
public enum JSONValue: Hashable, Sendable {
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
    public subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The element at that place, or `nil` if this is no array or is shorter.
    public subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// The text of a string, or `nil` for any other kind of value.
    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The value of a number that is an integer of 64 bits; `5000`, `5000.0` and `5e3` are the same.
    public var integer: Int? {
        if case .number(let text) = self { JSONNumber.integer(text) } else { nil }
    }

    /// What to call this kind of value in a sentence, for example `a string`.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// One member of a JSON object.
public struct JSONMember: Hashable, Sendable {
    /// The member's name, with its escapes resolved.
    public var name: String
    /// The member's value.
    public var value: JSONValue

    /// Makes a member of a name and a value.
    public init(_ name: String, _ value: JSONValue) {
        self.name = name
        self.value = value
    }
}
