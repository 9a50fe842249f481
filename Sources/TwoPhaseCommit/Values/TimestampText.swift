/// Timestamps in PostgreSQL's ISO style, as microseconds since 1970 in UTC.
enum TimestampText {
    static func write(_ microseconds: Int64) -> String {
        let (seconds, fraction) = floorDivide(microseconds, 1_000_000)
        let (days, secondOfDay) = floorDivide(seconds, 86_400)
        let (year, month, day) = civil(days)
        let clock =
            "\(two(secondOfDay / 3600)):\(two(secondOfDay / 60 % 60)):\(two(secondOfDay % 60))"
        let digits = String(fraction)
        let padded = String(repeating: "0", count: 6 - digits.utf8.count) + digits
        // PostgreSQL counts no year 0: the year before 1 is 1 BC.
        let shown = year > 0 ? year : 1 - year
        let text = "\(four(shown))-\(two(month))-\(two(day)) \(clock).\(padded)+00"
        return year > 0 ? text : text + " BC"
    }

    /// Reads what PostgreSQL prints; nil if it is no time, or later than 64 bits can count.
    static func read(_ text: String) -> Int64? {
        let isBeforeChrist = text.hasSuffix(" BC")
        var scanner = Scanner(Array(text.utf8.dropLast(isBeforeChrist ? 3 : 0))[...])
        guard let year = scanner.number(), scanner.take("-"), let month = scanner.number(),
            scanner.take("-"), let day = scanner.number(), (1...12).contains(month),
            (1...31).contains(day)
        else { return nil }
        var seconds: Int64 = 0
        var fraction: Int64 = 0
        if scanner.take(" ") || scanner.take("T") {
            guard let hour = scanner.number(), scanner.take(":"), let minute = scanner.number(),
                scanner.take(":"), let second = scanner.number()
            else { return nil }
            seconds = hour * 3600 + minute * 60 + second
            if scanner.take(".") {
                guard let read = scanner.fraction() else { return nil }
                fraction = read
            }
            guard let offset = scanner.offset() else { return nil }
            seconds -= offset
        }
        guard scanner.isAtEnd else { return nil }
        let days = days(isBeforeChrist ? 1 - year : year, month, day)
        let (microseconds, isTooLate) =
            (days * 86_400 + seconds).multipliedReportingOverflow(by: 1_000_000)
        if isTooLate { return nil }
        let (value, isOver) = microseconds.addingReportingOverflow(fraction)
        return isOver ? nil : value
    }

    private struct Scanner {
        var rest: ArraySlice<UInt8>
        init(_ bytes: ArraySlice<UInt8>) { rest = bytes }
        var isAtEnd: Bool { rest.isEmpty }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest.removeFirst()
            return true
        }

        mutating func number() -> Int64? {
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard !digits.isEmpty, digits.count <= 9 else { return nil }
            rest = rest.dropFirst(digits.count)
            return Int64(String(decoding: digits, as: UTF8.self))
        }

        /// In microseconds; nil for more than the six digits that PostgreSQL has.
        mutating func fraction() -> Int64? {
            let before = rest.count
            guard let value = number(), before - rest.count <= 6 else { return nil }
            return (before - rest.count..<6).reduce(value) { value, _ in value * 10 }
        }

        /// `+02`, `-03:30`, `+00:19:32`, `Z`, or nothing; in seconds.
        mutating func offset() -> Int64? {
            if take("Z") { return 0 }
            let isNegative = rest.first == UInt8(ascii: "-")
            guard take("+") || take("-") else { return 0 }
            guard let hours = number() else { return nil }
            var seconds = hours * 3600
            for unit in [60 as Int64, 1] where take(":") {
                guard let part = number() else { return nil }
                seconds += part * unit
            }
            return isNegative ? -seconds : seconds
        }
    }

    private static func floorDivide(_ value: Int64, _ by: Int64) -> (Int64, Int64) {
        let remainder = (value % by + by) % by
        return ((value - remainder) / by, remainder)
    }

    /// Days since 1970 of a date of the Gregorian calendar; years of March to February, in eras of
    /// 400, which all have the same length.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let (era, yearOfEra) = floorDivide(month > 2 ? year : year - 1, 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The inverse of `days`.
    private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra =
            (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }

    private static func four(_ value: Int64) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }
}
