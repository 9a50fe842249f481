public import FoundationEssentials

extension UUID: SQLValue {
    /// The usual form, in lower case.
    public var sqlText: String { uuidString.lowercased() }
    /// Reads the usual form.
    public init?(sqlText: String) { self.init(uuidString: sqlText) }
}

extension Decimal: SQLValue {
    /// The digits, exactly.
    public var sqlText: String { description }

    /// Reads a `numeric`; nil if a `Decimal` cannot hold it exactly.
    ///
    /// That concerns `NaN`, infinities and numbers of more than 38 digits.
    public init?(sqlText: String) {
        // Foundation ignores trailing text and rounds long numbers, hence the comparison of digits.
        guard let value = Decimal(string: sqlText), let digits = Self.digits(of: sqlText),
            digits == Self.digits(of: value.description)
        else { return nil }
        self = value
    }

    /// The number without insignificant zeros; nil for anything but digits.
    private static func digits(of text: String) -> [UInt8]? {
        let (zero, point) = (UInt8(ascii: "0"), UInt8(ascii: "."))
        let bytes = Array(text.utf8)
        let isNegative = bytes.first == UInt8(ascii: "-")
        let parts = bytes.dropFirst(isNegative ? 1 : 0)
            .split(separator: point, maxSplits: 1, omittingEmptySubsequences: false)
        let isNumber = parts.allSatisfy { part in
            !part.isEmpty && part.allSatisfy { (zero...UInt8(ascii: "9")).contains($0) }
        }
        guard isNumber, let whole = parts.first else { return nil }
        var digits = Array(whole.drop { $0 == zero }) + [point]
        if parts.count == 2 { digits += parts[1] }
        while digits.last == zero { digits.removeLast() }
        return (isNegative && digits != [point] ? [UInt8(ascii: "-")] : []) + digits
    }
}

extension Data: SQLValue {
    private static let digits = Array("0123456789abcdef".utf8)

    /// A `bytea`: `\x` and two hexadecimal digits per byte.
    public var sqlText: String {
        var bytes: [UInt8] = [UInt8(ascii: "\\"), UInt8(ascii: "x")]
        bytes.reserveCapacity(2 + count * 2)
        for byte in self {
            bytes.append(Self.digits[Int(byte >> 4)])
            bytes.append(Self.digits[Int(byte & 15)])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads the form `\x...`, which is PostgreSQL's default.
    public init?(sqlText: String) {
        let bytes = Array(sqlText.utf8)
        guard bytes.count >= 2, bytes.count.isMultiple(of: 2), sqlText.hasPrefix("\\x") else {
            return nil
        }
        var data = Data(capacity: bytes.count / 2 - 1)
        for index in stride(from: 2, to: bytes.count, by: 2) {
            let pair = String(decoding: bytes[index...index + 1], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { return nil }
            data.append(byte)
        }
        self = data
    }
}

extension Date: SQLValue {
    /// A `timestamptz` in UTC with microseconds; PostgreSQL rejects dates outside its calendar.
    public var sqlText: String {
        let microseconds = (timeIntervalSince1970 * 1_000_000).rounded()
        // The limit of 64 bits, and about that of PostgreSQL.
        guard microseconds.magnitude < 9.2e18 else { return "no date: \(microseconds)" }
        return TimestampText.write(Int64(microseconds))
    }

    /// Reads a `timestamptz`, or a `timestamp` or `date` as UTC; needs `DateStyle` ISO, the default.
    public init?(sqlText: String) {
        guard let microseconds = TimestampText.read(sqlText) else { return nil }
        self.init(timeIntervalSince1970: Double(microseconds) / 1_000_000)
    }
}

/// A value of a `json` or `jsonb` column, encoded by `JSONEncoder` and decoded by `JSONDecoder`.
public struct JSON<Value: Codable & Sendable>: SQLValue {
    /// The value.
    public let value: Value

    /// Wraps a value.
    public init(_ value: Value) {
        self.value = value
    }

    /// The value as JSON; if encoding fails, a text that PostgreSQL rejects.
    public var sqlText: String {
        guard let data = try? JSONEncoder().encode(value) else { return "no JSON: \(Value.self)" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Decodes JSON.
    public init?(sqlText: String) {
        guard let value = try? JSONDecoder().decode(Value.self, from: Data(sqlText.utf8)) else {
            return nil
        }
        self.value = value
    }
}
