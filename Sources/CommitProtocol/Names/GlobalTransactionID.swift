/// The identity of one global transaction, unique for the life of an installation and beyond.
///
/// The number comes from a sequence of the state database, in blocks, so ids sort by age and a
/// durable low-water mark can tell which rows may already be gone. The salt is random: should a
/// restored state database hand out a number twice, the names given to `PREPARE TRANSACTION`
/// still differ. As text: `<number>-<16 hexadecimal digits>`.
public struct GlobalTransactionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The sequence number, from 1.
    public let number: Int64
    /// Random bits that keep two uses of one number apart.
    public let salt: UInt64

    /// Makes an id of its parts; the number must be positive.
    public init(number: Int64, salt: UInt64) {
        precondition(number > 0, "transaction numbers start at 1")
        self.number = number
        self.salt = salt
    }

    /// Reads the text form; nil for anything that `description` would not have written.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].utf8.count == 16,
            let number = Int64(parts[0]), number > 0,
            let salt = UInt64(parts[1], radix: 16)
        else { return nil }
        self.init(number: number, salt: salt)
        // One spelling each: no plus signs, leading zeros or capitals.
        guard description == text else { return nil }
    }

    /// The text form.
    public var description: String {
        let digits = String(salt, radix: 16)
        return "\(number)-\(String(repeating: "0", count: 16 - digits.utf8.count))\(digits)"
    }

    /// Orders by number, which is by age.
    public static func < (left: Self, right: Self) -> Bool {
        (left.number, left.salt) < (right.number, right.salt)
    }
}
