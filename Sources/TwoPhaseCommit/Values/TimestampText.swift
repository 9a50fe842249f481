import TransactionEngine

/// Timestamps in PostgreSQL's ISO style, as microseconds since 1970 in UTC.
enum TimestampText {
    static func write(_ microseconds: Int64) -> String {
        let (seconds, fraction) = microseconds.flooredDivision(by: 1_000_000)
        let (days, secondOfDay) = seconds.flooredDivision(by: 86_400)
        let date = CivilDate(daysSince1970: days)
        // PostgreSQL has no year 0: 1 BC is the year before 1.
        let isBeforeChrist = date.year <= 0
        let year = padded(isBeforeChrist ? 1 - date.year : date.year, to: 4)
        let clock = [secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60]
            .map { padded($0, to: 2) }.joined(separator: ":")
        let text =
            "\(year)-\(padded(date.month, to: 2))-\(padded(date.day, to: 2)) "
            + "\(clock).\(padded(fraction, to: 6))+00"
        return isBeforeChrist ? text + " BC" : text
    }

    /// Reads PostgreSQL's output; nil if it is not a time or does not fit in 64 bits.
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
        let date = CivilDate(year: isBeforeChrist ? 1 - year : year, month: month, day: day)
        let (microseconds, isTooLarge) =
            (date.daysSince1970 * 86_400 + seconds).multipliedReportingOverflow(by: 1_000_000)
        if isTooLarge { return nil }
        let (value, overflows) = microseconds.addingReportingOverflow(fraction)
        return overflows ? nil : value
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

        /// In microseconds; nil for more than PostgreSQL's six digits.
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

    private static func padded(_ value: Int64, to width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
