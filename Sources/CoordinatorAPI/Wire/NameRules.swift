/// The rules of names in requests, as the patterns of the contract state them.
enum NameRules {
    static let participantRule =
        "A participant's name is wanted here: a lower-case letter, then at most 62 lower-case "
        + "letters, digits and hyphens."
    static let labelRule =
        "A label's name is a letter or digit, then at most 62 letters, digits and any of _ . / -"
    static let nulRule =
        "The character U+0000 cannot be stored in a text of PostgreSQL."

    /// The pattern `^[a-z][a-z0-9-]{0,62}$`.
    static func isParticipant(_ name: String) -> Bool {
        let bytes = name.utf8
        guard let first = bytes.first, isLower(first), bytes.count <= 63 else { return false }
        return bytes.allSatisfy { isLower($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    }

    /// The pattern `^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$`.
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

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLower(byte | 0x20) || isDigit(byte)
    }
}

extension String {
    /// Whether there is a U+0000, which no text of PostgreSQL can hold.
    var containsNUL: Bool {
        utf8.contains(0)
    }

    /// Whether there are more Unicode scalars than that.
    func isLonger(than limit: Int) -> Bool {
        utf8.count > limit && unicodeScalars.count > limit
    }
}
