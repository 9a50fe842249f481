/// The position in a trace that a service hands on, as `traceparent` holds it (W3C Trace Context).
package struct TraceParent: Sendable, Hashable {
    /// The trace, 16 bytes, not all zero.
    package let traceID: TraceID
    /// The span, not zero.
    package let spanID: UInt64
    /// Whether the caller records its part of the trace.
    package let isSampled: Bool

    /// A trace's id.
    package struct TraceID: Sendable, Hashable {
        /// The first eight bytes.
        package let high: UInt64
        /// The other eight.
        package let low: UInt64

        package init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }
    }

    package init(traceID: TraceID, spanID: UInt64, isSampled: Bool) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
    }

    /// Reads the value of a `traceparent` field; nil if it is not valid, and then there is no trace.
    ///
    /// Of a version that came later only the parts of the first one are read, as the standard asks.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count >= 4, let version = Self.hex(parts[0], digits: 2), version != 0xFF,
            version > 0 || parts.count == 4,
            parts[1].utf8.count == 32,
            let high = Self.hex(parts[1].prefix(16), digits: 16),
            let low = Self.hex(parts[1].suffix(16), digits: 16), high | low != 0,
            let span = Self.hex(parts[2], digits: 16), span != 0,
            let flags = Self.hex(parts[3], digits: 2)
        else { return nil }
        self.init(
            traceID: TraceID(high: high, low: low), spanID: span, isSampled: flags & 1 == 1)
    }

    /// The trace's id as tools show it: 32 hexadecimal digits.
    package var traceIDText: String { Self.text(traceID.high) + Self.text(traceID.low) }

    /// The field's value.
    package var text: String {
        "00-" + traceIDText + "-" + Self.text(spanID) + (isSampled ? "-01" : "-00")
    }

    /// Lower-case digits only: the standard allows no others.
    private static func hex(_ text: Substring, digits: Int) -> UInt64? {
        guard text.utf8.count == digits,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return UInt64(text, radix: 16)
    }

    private static func text(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
