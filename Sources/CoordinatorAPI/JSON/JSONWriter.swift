/// Appends JSON to a buffer of bytes.
///
/// One flag is all the state there is: whether a comma is due before the next element or member.
/// The writer does not check that brackets match; its callers are few, and their tests read what
/// they wrote with ``JSONReader``.
public struct JSONWriter: Sendable {
    /// What was written so far.
    public private(set) var bytes: [UInt8] = []
    private var isCommaDue = false

    /// Makes an empty writer with room for that many bytes.
    public init(capacity: Int = 512) {
        bytes.reserveCapacity(capacity)
    }

    /// What was written so far, as text.
    public var text: String {
        String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Structure

    /// Opens an object.
    public mutating func beginObject() {
        separate()
        bytes.append(UInt8(ascii: "{"))
        isCommaDue = false
    }

    /// Closes the innermost object.
    public mutating func endObject() {
        bytes.append(UInt8(ascii: "}"))
        isCommaDue = true
    }

    /// Opens an array.
    public mutating func beginArray() {
        separate()
        bytes.append(UInt8(ascii: "["))
        isCommaDue = false
    }

    /// Closes the innermost array.
    public mutating func endArray() {
        bytes.append(UInt8(ascii: "]"))
        isCommaDue = true
    }

    /// Writes a member's name that needs no escapes; its value must follow.
    public mutating func name(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        isCommaDue = false
    }

    /// Writes a member's name, escaped; its value must follow.
    public mutating func name(escaping name: String) {
        separate()
        appendQuoted(name.utf8, isUnicode: true)
        bytes.append(UInt8(ascii: ":"))
        isCommaDue = false
    }

    /// Writes a member's name that is escaped and in quotes already; its value must follow.
    mutating func name(quoted name: [UInt8]) {
        separate()
        bytes.append(contentsOf: name)
        bytes.append(UInt8(ascii: ":"))
        isCommaDue = false
    }

    // MARK: Values

    /// Writes `null`.
    public mutating func null() {
        raw("null".utf8)
    }

    /// Writes `true` or `false`.
    public mutating func bool(_ value: Bool) {
        raw(value ? "true".utf8 : "false".utf8)
    }

    /// Writes an integer.
    public mutating func integer(_ value: some BinaryInteger) {
        raw(String(value).utf8)
    }

    /// Writes a string, escaped.
    public mutating func string(_ value: String) {
        separate()
        appendQuoted(value.utf8, isUnicode: true)
        isCommaDue = true
    }

    /// Writes bytes as a string, escaped; what is not UTF-8 becomes U+FFFD.
    public mutating func string(bytes value: some Collection<UInt8>) {
        separate()
        appendQuoted(value, isUnicode: false)
        isCommaDue = true
    }

    /// Writes a fragment that is JSON already, for example the exact text of a number.
    public mutating func raw(_ fragment: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: fragment)
        isCommaDue = true
    }

    /// Writes a whole value, without white space.
    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .number(let text): raw(text.utf8)
        case .string(let text): string(text)
        case .array(let elements):
            beginArray()
            for element in elements { self.value(element) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members {
                name(escaping: member.name)
                self.value(member.value)
            }
            endObject()
        }
    }

    /// Writes a whole value so that texts of one meaning give the same bytes: without white space,
    /// members sorted by the bytes of their names, escapes written in one way.
    ///
    /// Numbers keep their spelling, which PostgreSQL is given: `1.0` and `1.00` are two values.
    mutating func canonical(_ value: JSONValue) {
        switch value {
        case .null, .bool, .number, .string: self.value(value)
        case .array(let elements):
            beginArray()
            for element in elements { canonical(element) }
            endArray()
        case .object(let members):
            beginObject()
            for member in members.sorted(by: {
                $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
            }) {
                name(escaping: member.name)
                canonical(member.value)
            }
            endObject()
        }
    }

    // MARK: Members

    /// Writes a member whose value is a string; with `nil` it writes nothing.
    public mutating func member(_ name: StaticString, _ value: String?) {
        guard let value else { return }
        self.name(name)
        string(value)
    }

    /// Writes a member whose value is an integer; with `nil` it writes nothing.
    public mutating func member(_ name: StaticString, _ value: Int?) {
        guard let value else { return }
        self.name(name)
        integer(value)
    }

    /// Writes a member whose value is a boolean; with `nil` it writes nothing.
    public mutating func member(_ name: StaticString, _ value: Bool?) {
        guard let value else { return }
        self.name(name)
        bool(value)
    }

    private mutating func separate() {
        if isCommaDue { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func appendQuoted(_ text: some Collection<UInt8>, isUnicode: Bool) {
        bytes.append(UInt8(ascii: "\""))
        let written: Void? = text.withContiguousStorageIfAvailable {
            bytes.appendEscaped($0, isUnicode: isUnicode)
        }
        if written == nil {
            Array(text).withUnsafeBufferPointer {
                bytes.appendEscaped($0, isUnicode: isUnicode)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
