/// Integers in the text of JSON numbers.
enum JSONNumber {
    /// The value of a number's text if it is an integer of 64 bits.
    ///
    /// `5000`, `5000.0` and `5e3` are one and the same integer to JSON Schema, and here.
    static func integer(_ text: String) -> Int? {
        if let value = Int(text) { return value }
        var digits: [UInt8] = []
        var exponent = 0
        var isFraction = false
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "."):
                isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                guard let written = Int(String(decoding: rest, as: UTF8.self)),
                    (-1_000_000...1_000_000).contains(written)
                else { return nil }
                exponent += written
                rest = rest[rest.endIndex...]
            default:
                digits.append(byte)
                if isFraction { exponent -= 1 }
            }
        }
        while exponent < 0, digits.last == UInt8(ascii: "0") {
            digits.removeLast()
            exponent += 1
        }
        if !digits.contains(where: { (UInt8(ascii: "1")...UInt8(ascii: "9")).contains($0) }) {
            return 0
        }
        guard (0...18).contains(exponent) else { return nil }
        digits += Array(repeating: UInt8(ascii: "0"), count: exponent)
        return Int(String(decoding: digits, as: UTF8.self))
    }
}
