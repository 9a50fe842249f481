import EventLoop

/// The rules of names in requests, as the patterns of the contract state them.
package enum NameRules {
    static let participantRule =
        "Expected a participant's name: a lower-case letter, then at most 62 lower-case letters, "
        + "digits and hyphens."
    static let labelRule =
        "Expected a label's name: a letter or digit, then at most 62 letters, digits and any of "
        + "_ . / -"
    static let nulRule =
        "Expected text without the character U+0000, which PostgreSQL cannot store."

    /// Whether this is a name of a participant or replica: `^[a-z][a-z0-9-]{0,62}$`.
    package static func isParticipant(_ name: String) -> Bool {
        let bytes = name.utf8
        guard let first = bytes.first, isLower(first), bytes.count <= 63 else { return false }
        return bytes.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }

    /// Whether this is a name of a label: `^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$`.
    static func isLabel(_ name: String) -> Bool {
        let bytes = name.utf8
        guard let first = bytes.first, isAlphanumeric(first), bytes.count <= 63
        else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || "_./-".utf8.contains($0) }
    }

    private static func isLower(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLower(byte | 0x20) || isDigit(byte)
    }
}

/// The value of a text that consists of 1 to 18 digits and nothing else.
func unsignedInteger(_ text: String) -> Int? {
    guard text.utf8.count <= 18, text.utf8.allSatisfy(NameRules.isDigit) else { return nil }
    return Int(text)
}

extension String {
    /// Whether there is a U+0000, which PostgreSQL cannot store in a text.
    var containsNUL: Bool { containsByte(0) }

    /// Whether there are more Unicode scalars than that.
    func isLonger(than limit: Int) -> Bool {
        utf8.count > limit && unicodeScalars.count > limit
    }
}
