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
            let (year, month, day) = Self.civil(days: days)
            var writer = DigitWriter(buffer: buffer)
            writer.write(year, digits: 4, then: "-")
            writer.write(month, digits: 2, then: "-")
            writer.write(day, digits: 2, then: "T")
            writer.write(rest / 3_600_000_000, digits: 2, then: ":")
            writer.write(rest / 60_000_000 % 60, digits: 2, then: ":")
            writer.write(rest / 1_000_000 % 60, digits: 2, then: ".")
            writer.write(rest % 1_000_000, digits: 6, then: "Z")
            return writer.offset
        }
    }

    // MARK: The calendar

    /// The date of a day, counted from 1970-01-01, in the proleptic Gregorian calendar.
    ///
    /// Years are taken to start on 1 March, so that the leap day is a year's last, and are
    /// gathered in cycles of 400, which all have the same length.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (cycle, dayOfCycle) = (days + 719_468).flooredDivision(by: 146_097)
        let yearOfCycle =
            (dayOfCycle - dayOfCycle / 1_460 + dayOfCycle / 36_524 - dayOfCycle / 146_096) / 365
        let dayOfYear = dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfCycle + cycle * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// The day of a date, counted from 1970-01-01: the inverse of ``civil(days:)``.
    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (cycle, yearOfCycle) = (month <= 2 ? year - 1 : year).flooredDivision(by: 400)
        let monthFromMarch = month > 2 ? month - 3 : month + 9
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
        let dayOfCycle = yearOfCycle * 365 + yearOfCycle / 4 - yearOfCycle / 100 + dayOfYear
        return cycle * 146_097 + dayOfCycle - 719_468
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

extension Int64 {
    /// Quotient and remainder, the remainder never negative.
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
