import Glibc

/// The tag of a command that ran, as libpq has it.
enum CommandTag {
    /// The frequent ones that are too long for a string without memory of its own.
    private static let frequent = [
        "PREPARE TRANSACTION", "DISCARD SEQUENCES", "ROLLBACK PREPARED",
    ]
    /// The most bytes that a string holds in itself.
    private static let smallMax = 15

    /// The tag as text; the usual ones allocate nothing.
    static func text(_ tag: UnsafePointer<CChar>?) -> String {
        guard let tag = unsafe tag else { return "" }
        let count = unsafe strlen(tag)
        if count > smallMax {
            for known in frequent where known.utf8.count == count {
                if unsafe known.withCString({ unsafe strcmp(tag, $0) }) == 0 { return known }
            }
        }
        return unsafe ServerText.string(tag, max: ServerText.nameBytesMax)
    }

    /// Whether the command deallocated all prepared statements.
    static func showsDeallocation(_ tag: UnsafePointer<CChar>?) -> Bool {
        guard let tag = unsafe tag, unsafe tag.pointee == CChar(UInt8(ascii: "D")) else {
            return false
        }
        return unsafe strcmp(tag, "DISCARD ALL") == 0 || strcmp(tag, "DEALLOCATE ALL") == 0
    }

    /// The rows that a command touched or returned: the number at the tag's end, where only such
    /// tags have one.
    static func affectedRows(_ tag: String) -> Int? {
        guard let space = tag.utf8.lastIndex(of: UInt8(ascii: " ")) else { return nil }
        return Int(tag[tag.utf8.index(after: space)...])
    }
}
