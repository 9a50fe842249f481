import TransactionEngine

/// A point in time, with microseconds as PostgreSQL keeps them.
package struct UTCTime: Hashable, Sendable {
    /// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    package let microseconds: Int64

    /// The microseconds of the years 0 to 9999, which RFC 3339 can write.
    private static let writable: ClosedRange<Int64> =
        -62_167_219_200_000_000...253_402_300_799_999_999

    /// Makes a time of its microseconds since 1970.
    package init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Makes a time of seconds since 1970 and microseconds after them.
    init(seconds: Int64, microseconds: Int64 = 0) {
        self.microseconds = seconds * 1_000_000 + microseconds
    }

    /// The time by RFC 3339 in UTC, for example `2026-03-01T12:00:00.000250Z`.
    ///
    /// A time outside the years 0 to 9999 is written as the nearest one inside.
    package var text: String {
        let bytes = [UInt8](capacity: Self.textCount) { append(to: &$0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The bytes of the text.
    static let textCount = 27

    /// Appends the text, for which there must be room.
    func append(to span: inout OutputSpan<UInt8>) {
        let time = min(max(microseconds, Self.writable.lowerBound), Self.writable.upperBound)
        let (days, rest) = time.flooredDivision(by: 86_400_000_000)
        let date = CivilDate(daysSince1970: days)
        span.append(digitsOf: date.year / 100)
        span.append(digitsOf: date.year % 100)
        span.append(digitsOf: date.month, after: "-")
        span.append(digitsOf: date.day, after: "-")
        span.append(digitsOf: rest / 3_600_000_000, after: "T")
        span.append(digitsOf: rest / 60_000_000 % 60, after: ":")
        span.append(digitsOf: rest / 1_000_000 % 60, after: ":")
        span.append(digitsOf: rest / 10_000 % 100, after: ".")
        span.append(digitsOf: rest / 100 % 100)
        span.append(digitsOf: rest % 100)
        span.append(UInt8(ascii: "Z"))
    }
}

extension OutputSpan<UInt8> {
    /// Appends the two digits of a number below 100, after a separator if there is one.
    fileprivate mutating func append(digitsOf value: Int64, after separator: Unicode.Scalar? = nil)
    {
        if let separator { append(UInt8(ascii: separator)) }
        append(UInt8(ascii: "0") + UInt8(value / 10))
        append(UInt8(ascii: "0") + UInt8(value % 10))
    }
}

extension UTCTime {
    /// Reads a time by RFC 3339, with any offset and with or without a fraction of the second.
    ///
    /// It cuts off digits after the microsecond, and reads a leap second as the second after it.
    ///
    /// - Parameter text: For example `2026-03-01T13:00:00.25+01:00`.
    /// - Returns: `nil` if the text is not of that form or names no real date.
    package init?(parsing text: String) {
        var reader = TimestampReader(rest: Array(text.utf8)[...])
        guard let date = reader.date(), reader.skip("T"), let time = reader.time(),
            let microseconds = reader.fraction(), let offset = reader.offset(),
            reader.rest.isEmpty
        else { return nil }
        self.init(seconds: date * 86_400 + time - offset, microseconds: microseconds)
    }
}

/// Reads the parts of a time, in order.
private struct TimestampReader {
    var rest: ArraySlice<UInt8>

    mutating func skip(_ letter: Unicode.Scalar) -> Bool {
        let expected = UInt8(ascii: letter)
        guard let byte = rest.first,
            byte == expected || (("A"..."Z").contains(letter) && byte == expected | 0x20)
        else { return false }
        rest.removeFirst()
        return true
    }

    /// A number of exactly so many digits.
    private mutating func number(_ digits: Int, in bounds: ClosedRange<Int64>) -> Int64? {
        let text = rest.prefix(digits)
        guard text.count == digits, text.allSatisfy(NameRules.isDigit) else { return nil }
        rest = rest.dropFirst(digits)
        let value = text.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        return bounds.contains(value) ? value : nil
    }

    /// Days since 1970-01-01.
    mutating func date() -> Int64? {
        guard let year = number(4, in: 0...9999), skip("-"), let month = number(2, in: 1...12),
            skip("-")
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard let day = number(2, in: 1...lengths[Int(month) - 1]) else { return nil }
        return CivilDate(year: year, month: month, day: day).daysSince1970
    }

    /// Seconds since midnight.
    mutating func time() -> Int64? {
        guard let hour = number(2, in: 0...23), skip(":"), let minute = number(2, in: 0...59),
            skip(":"), let second = number(2, in: 0...60)
        else { return nil }
        return hour * 3600 + minute * 60 + second
    }

    /// Microseconds; 0 if there is no fraction.
    mutating func fraction() -> Int64? {
        guard skip(".") else { return 0 }
        let digits = rest.prefix(while: NameRules.isDigit)
        guard !digits.isEmpty else { return nil }
        rest = rest.dropFirst(digits.count)
        let kept = digits.prefix(6).reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) }
        return (digits.count..<max(6, digits.count)).reduce(kept) { value, _ in value * 10 }
    }

    /// Seconds east of UTC.
    mutating func offset() -> Int64? {
        if skip("Z") { return 0 }
        let sign: Int64 = skip("+") ? 1 : -1
        guard sign == 1 || skip("-"), let hour = number(2, in: 0...23), skip(":"),
            let minute = number(2, in: 0...59)
        else { return nil }
        return sign * (hour * 3600 + minute * 60)
    }
}
