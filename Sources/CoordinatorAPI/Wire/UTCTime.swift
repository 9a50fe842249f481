import TransactionEngine

/// A point in time, with microseconds as PostgreSQL keeps them.
struct UTCTime: Hashable, Comparable, Sendable {
    /// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    var microseconds: Int64

    /// The first and last time that RFC 3339 can write.
    static let writable =
        UTCTime(
            seconds: -62_167_219_200)...UTCTime(
            seconds: 253_402_300_799, microseconds: 999_999)

    /// Makes a time of its microseconds since 1970.
    init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Makes a time of seconds since 1970 and microseconds after them.
    init(seconds: Int64, microseconds: Int64 = 0) {
        self.microseconds = seconds * 1_000_000 + microseconds
    }

    static func < (one: UTCTime, other: UTCTime) -> Bool {
        one.microseconds < other.microseconds
    }

    /// The time by RFC 3339 in UTC, for example `2026-03-01T12:00:00.000250Z`.
    ///
    /// A time outside the years 0 to 9999 is written as the nearest one inside.
    var text: String {
        String(unsafeUninitializedCapacity: 27) { buffer in
            let time = min(max(self, Self.writable.lowerBound), Self.writable.upperBound)
            let (days, rest) = time.microseconds.flooredDivision(by: 86_400_000_000)
            let date = CivilDate(daysSince1970: days)
            var writer = DigitWriter(buffer: buffer)
            writer.write(date.year, digits: 4, then: "-")
            writer.write(date.month, digits: 2, then: "-")
            writer.write(date.day, digits: 2, then: "T")
            writer.write(rest / 3_600_000_000, digits: 2, then: ":")
            writer.write(rest / 60_000_000 % 60, digits: 2, then: ":")
            writer.write(rest / 1_000_000 % 60, digits: 2, then: ".")
            writer.write(rest % 1_000_000, digits: 6, then: "Z")
            return writer.offset
        }
    }
}

/// Writes numbers of a fixed width, each followed by a separator.
private struct DigitWriter {
    let buffer: UnsafeMutableBufferPointer<UInt8>
    var offset = 0

    mutating func write(_ value: Int64, digits: Int, then separator: Unicode.Scalar) {
        var rest = value
        for index in (offset..<offset + digits).reversed() {
            buffer[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        buffer[offset + digits] = UInt8(ascii: separator)
        offset += digits + 1
    }
}
