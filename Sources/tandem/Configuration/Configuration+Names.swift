extension Configuration {
    /// What a name of a replica or a participant looks like.
    static let nameRule =
        "a name has 1 to 63 lower-case letters, digits and hyphens, and begins with a letter"

    /// Whether `text` follows `nameRule`.
    static func isName(_ text: String) -> Bool {
        let letters = UInt8(ascii: "a")...UInt8(ascii: "z")
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        guard let first = text.utf8.first, text.utf8.count <= 63 else { return false }
        return letters.contains(first)
            && text.utf8.allSatisfy {
                letters.contains($0) || digits.contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    /// The four numbers of an IPv4 address.
    ///
    /// An address and no name: what a name leads to may change after it was found to be harmless.
    static func ipv4Address(_ text: String) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part -> UInt8? in
            guard (1...3).contains(part.utf8.count),
                part.utf8.allSatisfy({ (48...57).contains($0) })
            else { return nil }
            return UInt8(part)
        }
        return parts.count == 4 && numbers.count == 4 ? numbers : nil
    }
}
