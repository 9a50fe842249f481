import TransactionEngine

extension UTCTime {
    /// Reads a time by RFC 3339, with any offset and with or without a fraction of the second.
    ///
    /// Digits beyond the microsecond are cut off, and a leap second is the first second after it.
    ///
    /// - Parameter text: For example `2026-03-01T13:00:00.25+01:00`.
    /// - Returns: `nil` if the text is not of that form or names no real date.
    init?(parsing text: String) {
        var reader = TimestampReader(rest: Array(text.utf8)[...])
        guard let date = reader.date(), reader.skip("T"), let time = reader.time(),
            let microseconds = reader.fraction(), let offset = reader.offset(),
            reader.rest.isEmpty
        else { return nil }
        self.init(seconds: date * 86_400 + time - offset, microseconds: microseconds)
    }
}

/// Reads the parts of a time, one after the other.
private struct TimestampReader {
    var rest: ArraySlice<UInt8>

    mutating func skip(_ letter: Unicode.Scalar) -> Bool {
        let expected = UInt8(ascii: letter)
        guard let byte = rest.first,
            byte == expected || (letter.isLetter && byte == expected | 0x20)
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

extension Unicode.Scalar {
    fileprivate var isLetter: Bool { ("A"..."Z").contains(self) }
}
