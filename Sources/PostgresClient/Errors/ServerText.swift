import Glibc

/// Cuts the server's texts to a limit, before they become strings.
///
/// SQL decides how long an error is: a RAISE of 20 MB would make an answer, a row, a list of rows and a
/// log line of 20 MB. Texts are cut here, so no code above has to bound them again. libpq itself keeps the
/// whole message until its result is freed.
enum ServerText {
    /// For texts: message, detail, hint and context.
    static let textBytesMax = 8192
    /// For names, of which PostgreSQL's own have at most 63 bytes, and for command tags.
    static let nameBytesMax = 256

    /// At most so many bytes of a C string, and a remark how many there are if that is not all.
    static func string(_ text: UnsafePointer<CChar>, max: Int) -> String {
        let bytes = unsafe UnsafeRawBufferPointer(start: text, count: strlen(text))
        guard bytes.count > max else { return unsafe String(decoding: bytes, as: UTF8.self) }
        var end = max
        // Not within a character: its later bytes all begin with the bits 10.
        while end > 0, unsafe bytes[end] & 0xC0 == 0x80 { end -= 1 }
        let start = unsafe String(decoding: bytes[..<end], as: UTF8.self)
        return "\(start)… (\(bytes.count) bytes in all)"
    }

    /// The lines of libpq's own text about a connection in one, for a log.
    static func lines(_ text: UnsafePointer<CChar>?) -> String {
        guard let text = unsafe text else { return "" }
        return unsafe string(text, max: textBytesMax).split(whereSeparator: \.isNewline)
            .map { $0.drop { $0 == "\t" || $0 == " " } }.joined(separator: "; ")
    }
}
