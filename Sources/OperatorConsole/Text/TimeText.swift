import CoordinatorAPI
import TransactionEngine

/// Times and spans of time, as people read them.
enum TimeText {
    /// A span, in its two largest units.
    static func span(microseconds: Int64) -> String {
        let microseconds = max(0, microseconds)
        let seconds = microseconds / 1_000_000
        switch microseconds {
        case ..<1_000: return "\(microseconds) µs"
        case ..<10_000: return tenths(microseconds / 100) + " ms"
        case ..<1_000_000: return "\(microseconds / 1_000) ms"
        case ..<60_000_000: return tenths(microseconds / 100_000) + " s"
        case ..<3_600_000_000: return two(seconds / 60, "min", seconds % 60, "s")
        case ..<86_400_000_000: return two(seconds / 3_600, "h", seconds / 60 % 60, "min")
        default: return two(seconds / 86_400, "d", seconds / 3_600 % 24, "h")
        }
    }

    private static func tenths(_ value: Int64) -> String {
        value % 10 == 0 ? "\(value / 10)" : "\(value / 10).\(value % 10)"
    }

    private static func two(
        _ large: Int64, _ largeUnit: String, _ rest: Int64, _ restUnit: String
    ) -> String {
        rest == 0 ? "\(large) \(largeUnit)" : "\(large) \(largeUnit) \(rest) \(restUnit)"
    }

    /// A date and a time of day to the millisecond, in UTC.
    static func full(_ timestamp: Timestamp) -> String {
        let text = UTCTime(microseconds: timestamp).text
        return text.prefix(10) + " " + text.dropFirst(11).prefix(12) + " UTC"
    }

    /// A time of day to the second, in UTC.
    static func clock(_ timestamp: Timestamp) -> String {
        UTCTime(microseconds: timestamp).text.dropFirst(11).prefix(8) + " UTC"
    }
}

/// The moment at which a page's data was read, which ages are counted from.
struct Moment: Sendable {
    let now: Timestamp

    /// A time with its date.
    func full(_ timestamp: Timestamp) -> HTML {
        element(timestamp, TimeText.full(timestamp))
    }

    /// How long ago a time was, or how far ahead it is; the time itself is the element's title.
    func relative(_ timestamp: Timestamp) -> HTML {
        let past = now - timestamp
        return element(
            timestamp,
            past >= 0
                ? TimeText.span(microseconds: past) + " ago"
                : "in " + TimeText.span(microseconds: -past))
    }

    /// How old what began then is now.
    func age(_ timestamp: Timestamp) -> HTML {
        element(timestamp, TimeText.span(microseconds: now - timestamp))
    }

    /// When a lease runs out, or ran out.
    func lease(_ timestamp: Timestamp) -> HTML {
        .group([.text(timestamp >= now ? "runs out " : "ran out "), relative(timestamp)])
    }

    private func element(_ timestamp: Timestamp, _ text: String) -> HTML {
        time(
            Attribute("datetime", UTCTime(microseconds: timestamp).text),
            .title(TimeText.full(timestamp))
        ) { text }
    }
}
