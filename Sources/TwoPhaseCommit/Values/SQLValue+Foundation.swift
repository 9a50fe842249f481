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

    /// Reads a `numeric`; nil for what a `Decimal` cannot hold exactly, such as `NaN`, an infinity or
    /// a number of more than 38 digits.
    public init?(sqlText: String) {
        // Foundation reads as far as it understands, and rounds what is too long.
        guard let value = Decimal(string: sqlText), let digits = Self.digits(of: sqlText),
            digits == Self.digits(of: value.description)
        else { return nil }
        self = value
    }

    /// A number without the zeros that mean nothing; nil for anything but digits.
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

    /// A `bytea`: `\x` and two digits a byte.
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
    /// A `timestamptz` in UTC, to the microsecond; what PostgreSQL refuses, if it is no date of its
    /// calendar.
    public var sqlText: String {
        let microseconds = (timeIntervalSince1970 * 1_000_000).rounded()
        // Near the end of what 64 bits hold; PostgreSQL's own dates end there too.
        guard microseconds.magnitude < 9.2e18 else { return "no date: \(microseconds)" }
        return TimestampText.write(Int64(microseconds))
    }

    /// Reads a `timestamptz`, or a `timestamp` or `date`, which are taken for UTC; the server's
    /// `DateStyle` has to be `ISO`, as it is unless somebody has changed it.
    public init?(sqlText: String) {
        guard let microseconds = TimestampText.read(sqlText) else { return nil }
        self.init(timeIntervalSince1970: Double(microseconds) / 1_000_000)
    }
}

/// A value of a column of type `json` or `jsonb`.
///
/// It is encoded and decoded as `JSONEncoder` and `JSONDecoder` do it by themselves.
public struct JSON<Value: Codable & Sendable>: SQLValue {
    /// The value.
    public let value: Value

    /// Wraps a value.
    public init(_ value: Value) {
        self.value = value
    }

    /// The value as JSON; if it cannot be encoded, what PostgreSQL refuses to take for JSON.
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
