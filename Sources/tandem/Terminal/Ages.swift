import CoordinatorAPI
import Foundation

extension Duration {
    /// The time in its two largest units, such as `3m12s`, `2h05m`, `4d01h`, `850ms`.
    var written: String {
        let milliseconds =
            components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
        if milliseconds < 1000 { return "\(max(0, milliseconds))ms" }
        let seconds = milliseconds / 1000
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        switch seconds {
        case ..<60: return "\(seconds)s"
        case ..<3600:
            return seconds % 60 == 0 ? "\(seconds / 60)m" : "\(seconds / 60)m\(two(seconds % 60))s"
        case ..<86_400:
            let minutes = seconds / 60 % 60
            return minutes == 0 ? "\(seconds / 3600)h" : "\(seconds / 3600)h\(two(minutes))m"
        default:
            let hours = seconds / 3600 % 24
            return hours == 0 ? "\(seconds / 86_400)d" : "\(seconds / 86_400)d\(two(hours))h"
        }
    }
}

/// The moment against which ages are shown: the time on this machine, or a test's.
struct Moment {
    private let microseconds: Int64

    init(microseconds: Int64) { self.microseconds = microseconds }

    /// This machine's time.
    static var now: Moment {
        Moment(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
    }

    /// How long ago a time of the API was; nil if there is none.
    ///
    /// A time that lies ahead, by another machine's clock, was just now.
    func age(of time: JSONValue?) -> Duration? {
        guard let since = time?.string.flatMap(UTCTime.init(parsing:)) else { return nil }
        return .microseconds(max(0, microseconds - since.microseconds))
    }

    /// How long it is until a time of the API; nil if there is none or it is over.
    func time(until time: JSONValue?) -> Duration? {
        guard let time = time?.string.flatMap(UTCTime.init(parsing:)),
            time.microseconds > microseconds
        else { return nil }
        return .microseconds(time.microseconds - microseconds)
    }

    /// The time that lies so far back, as the API takes it.
    func before(_ duration: Duration) -> String {
        let back = duration.components
        return UTCTime(
            microseconds: microseconds - back.seconds * 1_000_000
                - back.attoseconds / 1_000_000_000_000
        ).text
    }
}

/// A time of the API without its fraction: `2026-03-01 12:00:00 UTC`.
func clockTime(_ time: JSONValue?) -> String? {
    guard let text = time?.string, text.count >= 19 else { return time?.string }
    return text.prefix(19).replacing("T", with: " ") + " UTC"
}
