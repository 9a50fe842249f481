/// The words of a text: letters, digits and underscores, each with its line.
///
/// It reads bytes, since it reads all of the repository.
struct Words {
    private(set) var words: [(text: String, line: Int)] = []

    init(_ bytes: [UInt8]) {
        var start: Int?
        var line = 1
        for (offset, byte) in bytes.enumerated() {
            if Self.isInWord(byte) {
                start = start ?? offset
                continue
            }
            if let begin = start {
                words.append((String(decoding: bytes[begin..<offset], as: UTF8.self), line))
                start = nil
            }
            if byte == UInt8(ascii: "\n") { line += 1 }
        }
        if let begin = start {
            words.append((String(decoding: bytes[begin...], as: UTF8.self), line))
        }
    }

    init(_ text: some StringProtocol) {
        self.init(Array(text.utf8))
    }

    private static func isInWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// What a name is made of, in lower case: `commitPoint`, `CommitPoint` and `commit_point` have the
    /// same parts.
    static func parts(of name: String) -> [String] {
        var parts: [String] = []
        var current = ""
        var wasLower = false
        for character in name {
            if !character.isLetter || (character.isUppercase && wasLower) {
                if !current.isEmpty { parts.append(current.lowercased()) }
                current = ""
            }
            if character.isLetter { current.append(character) }
            wasLower = character.isLowercase
        }
        return current.isEmpty ? parts : parts + [current.lowercased()]
    }
}
