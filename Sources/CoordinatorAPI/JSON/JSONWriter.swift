/// Appends JSON to a buffer of bytes.
///
/// One flag is all the state there is: whether a comma is due before the next element or member.
/// The writer does not check that brackets match; its callers are few, and their tests read what
/// they wrote with ``JSONReader``.
package struct JSONWriter: Sendable {
    /// What was written so far.
    package private(set) var bytes: [UInt8] = []
    private var isCommaDue = false

    /// Makes an empty writer with room for that many bytes.
    package init(capacity: Int = 512) {
        bytes.reserveCapacity(capacity)
    }

    /// What was written so far, as text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Structure

    /// Opens an object.
    package mutating func beginObject() { open(UInt8(ascii: "{")) }

    /// Closes the innermost object.
    package mutating func endObject() { close(UInt8(ascii: "}")) }

    /// Opens an array.
    package mutating func beginArray() { open(UInt8(ascii: "[")) }

    /// Closes the innermost array.
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// Writes an object, whose members `body` writes.
    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        beginObject()
        body(&self)
        endObject()
    }

    /// Writes an array, each element of which `write` writes.
    package mutating func array<Element>(
        _ elements: some Sequence<Element>, _ write: (Element, inout JSONWriter) -> Void
    ) {
        beginArray()
        for element in elements { write(element, &self) }
        endArray()
    }

    /// Writes a member's name that needs no escapes; its value must follow.
    package mutating func name(_ name: StaticString) {
        name.withUTF8Buffer { name in
            bytes.append(addingCapacity: name.count + 4) { span in
                if isCommaDue { span.append(UInt8(ascii: ",")) }
                span.append(UInt8(ascii: "\""))
                for byte in name { span.append(byte) }
                span.append(UInt8(ascii: "\""))
                span.append(UInt8(ascii: ":"))
            }
        }
        isCommaDue = false
    }

    /// Writes a member's name, escaped; its value must follow.
    package mutating func name(escaping name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        isCommaDue = false
    }

    /// Writes a member's name that is escaped and in quotes already; its value must follow.
    mutating func name(quoted name: [UInt8]) {
        raw(name)
        bytes.append(UInt8(ascii: ":"))
        isCommaDue = false
    }

    // MARK: Values

    /// Writes `null`.
    package mutating func null() { raw("null".utf8) }

    /// Writes `true` or `false`.
    package mutating func bool(_ value: Bool) { raw(value ? "true".utf8 : "false".utf8) }

    /// Writes an integer.
    package mutating func integer(_ value: some BinaryInteger) {
        separate()
        // Numbers below ten, which are the most, need no text.
        if let digit = UInt8(exactly: value), digit < 10 {
            bytes.append(UInt8(ascii: "0") + digit)
        } else {
            bytes.append(contentsOf: String(value).utf8)
        }
        isCommaDue = true
    }

    /// Writes a string, escaped.
    package mutating func string(_ value: String) {
        separate()
        appendQuoted(value.utf8, isUnicode: true)
        isCommaDue = true
    }

    /// Writes bytes as a string, escaped; what is not UTF-8 becomes U+FFFD.
    package mutating func string(bytes value: some Collection<UInt8>) {
        separate()
        appendQuoted(value, isUnicode: false)
        isCommaDue = true
    }

    /// Ends a line between two values, which are then no elements of one array.
    mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
        isCommaDue = false
    }

    /// Writes a time, in microseconds since 1970.
    package mutating func time(microseconds: Int64) {
        time(UTCTime(microseconds: microseconds))
    }

    /// Writes a time by RFC 3339.
    mutating func time(_ time: UTCTime) {
        separate()
        bytes.append(addingCapacity: UTCTime.textCount + 2) { span in
            span.append(UInt8(ascii: "\""))
            time.append(to: &span)
            span.append(UInt8(ascii: "\""))
        }
        isCommaDue = true
    }

    /// Writes a fragment that is JSON already, for example the exact text of a number.
    package mutating func raw(_ fragment: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: fragment)
        isCommaDue = true
    }

    /// Writes a whole value, without white space.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): bool(value)
        case .number(let text): raw(text.utf8)
        case .string(let text): string(text)
        case .array(let elements):
            array(elements) { element, writer in writer.value(element) }
        case .object(let members):
            object { writer in
                for member in members {
                    writer.name(escaping: member.name)
                    writer.value(member.value)
                }
            }
        }
    }

    // MARK: Members

    /// Writes a member whose value is a string; with `nil` it writes nothing.
    package mutating func member(_ name: StaticString, _ value: String?) {
        if value != nil { nullable(name, value) }
    }

    /// Writes a member whose value is an integer; with `nil` it writes nothing.
    package mutating func member(_ name: StaticString, _ value: Int?) {
        if value != nil { nullable(name, value) }
    }

    /// Writes a member whose value is a boolean.
    package mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    /// Writes a member whose value is a string, or `null`.
    mutating func nullable(_ name: StaticString, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { null() }
    }

    /// Writes a member whose value is an integer, or `null`.
    mutating func nullable(_ name: StaticString, _ value: Int?) {
        self.name(name)
        if let value { integer(value) } else { null() }
    }

    // MARK: Bytes

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        isCommaDue = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        isCommaDue = true
    }

    /// Writes the comma before an element or member now, if one is due.
    mutating func separate() {
        if isCommaDue { bytes.append(UInt8(ascii: ",")) }
        isCommaDue = false
    }

    /// Takes back whole members that were written last, all of an object's from the first.
    mutating func removeBytes(from first: Int) -> [UInt8] {
        let removed = Array(bytes[first...])
        bytes.removeSubrange(first...)
        isCommaDue = false
        return removed
    }

    private mutating func appendQuoted(_ text: some Collection<UInt8>, isUnicode: Bool) {
        bytes.append(UInt8(ascii: "\""))
        let written: Void? = text.withContiguousStorageIfAvailable {
            appendEscaped($0, isUnicode: isUnicode)
        }
        if written == nil {
            Array(text).withUnsafeBufferPointer { appendEscaped($0, isUnicode: isUnicode) }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Appends a text with the escapes that RFC 8259 demands, in as few pieces as there are.
    ///
    /// Text that is not known to be Unicode is checked, and what is not UTF-8 becomes U+FFFD: a
    /// server whose encoding is `SQL_ASCII` sends any bytes.
    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, isUnicode: Bool) {
        if !isUnicode, text.contains(where: { $0 >= 0x80 }),
            String(validating: text, as: UTF8.self) == nil
        {
            let repaired = Array(String(decoding: text, as: UTF8.self).utf8)
            repaired.withUnsafeBufferPointer { appendEscaped($0, isUnicode: true) }
            return
        }
        var start = 0
        for offset in text.indices {
            let byte = text[offset]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
            else { continue }
            bytes.append(contentsOf: text[start..<offset])
            appendEscape(of: byte)
            start = offset + 1
        }
        bytes.append(contentsOf: text[start...])
    }

    private mutating func appendEscape(of byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case UInt8(ascii: "\n"): bytes.append(UInt8(ascii: "n"))
        case UInt8(ascii: "\r"): bytes.append(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): bytes.append(UInt8(ascii: "t"))
        default:
            bytes.append(contentsOf: byte < 0x10 ? "u000".utf8 : "u001".utf8)
            bytes.append(contentsOf: String(byte & 0x0F, radix: 16).utf8)
        }
    }
}
