/// The id of a global transaction; text form: `<number>-<16 hexadecimal digits>`.
///
/// The number comes from a sequence of the state database, in blocks. So ids sort by age, and a
/// durable low-water mark tells which rows may have been removed. The salt is random: if a restored
/// state database issues a number twice, the gids still differ.
package struct GlobalTransactionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The sequence number, from 1.
    package let number: Int64
    /// Random bits that distinguish two uses of one number.
    package let salt: UInt64

    /// Makes an id from its parts; the number must be positive.
    package init(number: Int64, salt: UInt64) {
        precondition(number > 0, "transaction numbers start at 1")
        self.number = number
        self.salt = salt
    }

    /// Reads the text form; nil for text that differs from `description`.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count == 16,
            let number = Int64(parts[0]), number > 0,
            let salt = UInt64(parts[1], radix: 16)
        else { return nil }
        self.init(number: number, salt: salt)
        // Reject other spellings: plus signs, leading zeros, capitals.
        guard description == text else { return nil }
    }

    /// The text form.
    package var description: String {
        let number = String(number)
        return String(unsafeUninitializedCapacity: number.utf8.count + 17) { text in
            var end = text.initialize(fromContentsOf: number.utf8)
            text[end] = UInt8(ascii: "-")
            for shift in stride(from: 60, through: 0, by: -4) {
                end += 1
                let digit = UInt8(truncatingIfNeeded: salt >> UInt64(shift)) & 0xF
                text[end] = digit + (digit < 10 ? UInt8(ascii: "0") : UInt8(ascii: "a") - 10)
            }
            return end + 1
        }
    }

    /// Orders by number, that is, by age.
    package static func < (left: Self, right: Self) -> Bool {
        (left.number, left.salt) < (right.number, right.salt)
    }
}
