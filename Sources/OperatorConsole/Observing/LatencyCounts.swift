/// Counts spans of time by size, in steps of the square root of two from 64 µs to 90 s.
///
/// It takes the same room for any number of spans; a quantile it gives is at most 42 % too large.
struct LatencyCounts: Sendable {
    private static let stepCount = 42
    private static let firstExponent = 6
    private var counts = [UInt32](repeating: 0, count: stepCount)
    private(set) var count = 0

    mutating func add(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
        counts[Self.step(UInt64(max(0, microseconds)))] += 1
        count += 1
    }

    mutating func add(_ other: LatencyCounts) {
        for step in counts.indices { counts[step] += other.counts[step] }
        count += other.count
    }

    /// The span, in microseconds, that this share of them does not exceed; nil if there are none.
    func quantile(_ share: Double) -> Int64? {
        guard count > 0 else { return nil }
        let rank = max(1, Int((Double(count) * share).rounded(.up)))
        var sum = 0
        for step in counts.indices {
            sum += Int(counts[step])
            if sum >= rank { return Self.upperBound(step) }
        }
        return Self.upperBound(Self.stepCount - 1)
    }

    /// The step of a span: two for each power of two.
    private static func step(_ microseconds: UInt64) -> Int {
        guard microseconds >= 1 << firstExponent else { return 0 }
        let exponent = 63 - microseconds.leadingZeroBitCount
        // 1.0110101 in binary is the square root of two.
        let isUpperHalf = microseconds << (63 - exponent) >= 0xB504_F333_0000_0000
        return min(1 + 2 * (exponent - firstExponent) + (isUpperHalf ? 1 : 0), stepCount - 1)
    }

    private static func upperBound(_ step: Int) -> Int64 {
        guard step > 0 else { return 1 << firstExponent }
        let power = Int64(1) << (firstExponent + (step - 1) / 2)
        return step % 2 == 1 ? Int64(Double(power) * 1.414_213_562) : power * 2
    }
}
