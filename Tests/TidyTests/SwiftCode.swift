/// Swift source with its comments and string literals blanked out, so that a rule sees code alone.
///
/// Line breaks stay where they are. What stands in a string's interpolation is blanked with it.
struct SwiftCode {
    private(set) var bytes: [UInt8]
    private var position = 0

    init(_ text: String) {
        bytes = Array(text.utf8)
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "/"), UInt8(ascii: "\""), UInt8(ascii: "#"): step()
            default: position += 1
            }
        }
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

    /// The line of a position, counted from 1.
    func line(at offset: Int) -> Int {
        bytes[..<offset].count { $0 == UInt8(ascii: "\n") } + 1
    }

    private func sees(_ text: StaticString, at offset: Int) -> Bool {
        let length = text.utf8CodeUnitCount
        guard offset + length <= bytes.count else { return false }
        return text.withUTF8Buffer { $0.elementsEqual(bytes[offset..<offset + length]) }
    }

    private mutating func blank(_ count: Int = 1) {
        for _ in 0..<count where position < bytes.count {
            if bytes[position] != UInt8(ascii: "\n") { bytes[position] = UInt8(ascii: " ") }
            position += 1
        }
    }

    private mutating func step() {
        if sees("//", at: position) {
            while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { blank() }
        } else if sees("/*", at: position) {
            blankComment()
        } else if let hashes = openingQuote() {
            blankString(hashes: hashes)
        } else {
            position += 1
        }
    }

    /// Block comments nest.
    private mutating func blankComment() {
        var depth = 0
        repeat {
            if sees("/*", at: position) {
                depth += 1
                blank(2)
            } else if sees("*/", at: position) {
                depth -= 1
                blank(2)
            } else {
                blank()
            }
        } while depth > 0 && position < bytes.count
    }

    /// How many `#` stand before the quote that begins here; nil when no string begins here.
    private func openingQuote() -> Int? {
        var hashes = 0
        while sees("#", at: position + hashes) { hashes += 1 }
        return sees("\"", at: position + hashes) ? hashes : nil
    }

    private mutating func blankString(hashes: Int) {
        blank(hashes)
        let quotes = sees("\"\"\"", at: position) ? 3 : 1
        blank(quotes)
        while position < bytes.count {
            if closes(quotes: quotes, hashes: hashes) { return blank(quotes + hashes) }
            guard sees("\\", at: position), hasHashes(hashes, at: position + 1) else {
                blank()
                continue
            }
            blank(1 + hashes)
            if sees("(", at: position) { blankInterpolation() } else { blank() }
        }
    }

    private func closes(quotes: Int, hashes: Int) -> Bool {
        (0..<quotes).allSatisfy { sees("\"", at: position + $0) }
            && hasHashes(hashes, at: position + quotes)
    }

    private func hasHashes(_ count: Int, at offset: Int) -> Bool {
        (0..<count).allSatisfy { sees("#", at: offset + $0) }
    }

    private mutating func blankInterpolation() {
        var depth = 0
        repeat {
            if let hashes = openingQuote() {
                blankString(hashes: hashes)
                continue
            }
            if sees("(", at: position) { depth += 1 }
            if sees(")", at: position) { depth -= 1 }
            blank()
        } while depth > 0 && position < bytes.count
    }
}
