/// Why a text is not the JSON that this service accepts, and where.
///
/// The message never quotes more of the text than one byte or one shortened name, so that it is
/// safe to log.
package struct JSONReadError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rule that the text broke.
    package enum Reason: Hashable, Sendable {
        /// The text holds no value at all.
        case noValue
        /// The text starts with a byte order mark, which RFC 8259 forbids senders to add.
        case byteOrderMark
        /// The grammar does not allow this byte here.
        case unexpectedByte
        /// The text ends in the middle of a value.
        case unexpectedEnd
        /// A number breaks the grammar, for example with a leading zero.
        case invalidNumber
        /// A backslash in a string does not start an escape.
        case invalidEscape
        /// A `\u` escape names half of a surrogate pair alone.
        case loneSurrogate
        /// A control character stands unescaped in a string.
        case controlCharacter
        /// The bytes of a string are not UTF-8.
        case invalidUTF8
        /// An object has two members of one name.
        case duplicateName
        /// Arrays and objects are nested deeper than the limit.
        case tooDeep
        /// Something follows the value.
        case trailingContent
    }

    /// The rule that the text broke.
    package let reason: Reason
    /// Where: bytes from the start of the text.
    package let offset: Int
    /// Where: the line, counted from 1.
    package private(set) var line = 1
    /// Where: the Unicode scalar in its line, counted from 1.
    package private(set) var column = 1
    /// The JSON Pointer (RFC 6901) of the innermost value that was being read; empty is the whole
    /// text.
    package private(set) var pointer = ""
    /// What is wrong, without the place.
    package let message: String

    /// The message with its place, safe to log.
    package var description: String { "Line \(line), column \(column): \(message)" }

    init(_ reason: Reason, at offset: Int, in bytes: [UInt8], _ message: String) {
        self.reason = reason
        self.offset = offset
        self.message = message
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
    }

    /// The same error, with the member or element that it arose in added to the pointer.
    ///
    /// The pointer is built while the error unwinds, so a text without errors pays nothing for it.
    func inside(_ token: String) -> JSONReadError {
        var outer = self
        outer.pointer = JSONPointer.root.member(token).description + pointer
        return outer
    }
}
