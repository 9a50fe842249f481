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

    /// Reads a `numeric`; nil for what a `Decimal` cannot hold, such as `NaN`.
    public init?(sqlText: String) {
        guard let value = Decimal(string: sqlText), !value.isNaN else { return nil }
        self = value
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
    /// A `timestamptz` in UTC, to the microsecond.
    public var sqlText: String {
        TimestampText.write(Int64((timeIntervalSince1970 * 1_000_000).rounded()))
    }

    /// Reads a `timestamptz`, or a `timestamp` or `date`, which are taken for UTC; the server's
    /// `DateStyle` has to be `ISO`, as it is unless somebody has changed it.
    public init?(sqlText: String) {
        guard let microseconds = TimestampText.read(sqlText) else { return nil }
        self.init(timeIntervalSince1970: Double(microseconds) / 1_000_000)
    }
}

/// A value of a column of type `json` or `jsonb`.
public struct JSON<Value: Codable & Sendable>: SQLValue {
    /// The value.
    public let value: Value

    /// Wraps a value.
    public init(_ value: Value) {
        self.value = value
    }

    /// The value as JSON; `null` if it cannot be encoded.
    public var sqlText: String {
        guard let data = try? JSONEncoder().encode(value) else { return "null" }
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
