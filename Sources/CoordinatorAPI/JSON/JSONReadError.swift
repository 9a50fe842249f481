/// Why a text is not the JSON that this service accepts, and where.
///
/// The sentence never quotes more of the text than the one byte or name it complains about, so
/// that it is safe to log.
public struct JSONReadError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The rule that the text broke.
    public enum Reason: Hashable, Sendable {
        /// The text holds no value at all.
        case noValue
        /// The text starts with a byte order mark, which RFC 8259 forbids senders to add.
        case byteOrderMark
        /// A byte stands where the grammar does not allow it.
        case unexpectedByte
        /// The text ends in the middle of a value.
        case unexpectedEnd
        /// A number is not written as the grammar demands, for example with a leading zero.
        case invalidNumber
        /// A backslash in a string is followed by something that is no escape.
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

    /// The rule that was broken.
    public var reason: Reason
    /// Where: bytes from the start of the text.
    public var offset: Int
    /// Where: the line, counted from 1.
    public var line: Int
    /// Where: the Unicode scalar in its line, counted from 1.
    public var column: Int
    /// The JSON Pointer of the innermost value that was being read; empty is the whole text.
    public var pointer: String
    /// What is wrong, without the place: a sentence for people.
    public var sentence: String

    /// The sentence with its place, safe to log.
    public var description: String {
        "\(sentence) (line \(line), column \(column))"
    }

    init(_ reason: Reason, at offset: Int, in bytes: [UInt8], _ sentence: String) {
        self.reason = reason
        self.offset = offset
        self.sentence = sentence
        pointer = ""
        line = 1
        column = 1
        for byte in bytes.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
    }

    /// The same error, seen from the container whose member or element it arose in.
    ///
    /// The pointer is built while the error unwinds, so a text without errors pays nothing for it.
    func inside(_ token: String) -> JSONReadError {
        var outer = self
        outer.pointer = "/" + JSONPointer.escaped(token) + pointer
        return outer
    }
}
