import CoreMetrics
import Synchronization

/// A number that several threads may change, without a lock.
struct AtomicNumber: ~Copyable, Sendable {
    private let bits: Atomic<UInt64>

    init(_ value: Double = 0) { bits = Atomic(value.bitPattern) }

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }

    func add(_ amount: Double) {
        var known = bits.load(ordering: .relaxed)
        while true {
            let sum = Double(bitPattern: known) + amount
            let (isExchanged, found) = bits.weakCompareExchange(
                expected: known, desired: sum.bitPattern, ordering: .relaxed)
            if isExchanged { return }
            known = found
        }
    }
}

/// A count that only rises.
final class CounterInstrument: CounterHandler {
    private let count = Atomic<Int64>(0)

    var value: Int64 { count.load(ordering: .relaxed) }

    func increment(by amount: Int64) { count.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { count.store(0, ordering: .relaxed) }
}

/// A sum that only rises, not of whole numbers.
final class SumInstrument: FloatingPointCounterHandler {
    private let sum = AtomicNumber()

    var value: Double { sum.value }

    func increment(by amount: Double) { sum.add(amount) }
    func reset() { sum.set(0) }
}

/// A value that rises and falls.
final class GaugeInstrument: RecorderHandler, MeterHandler {
    private let number = AtomicNumber()

    var value: Double { number.value }

    func record(_ value: Int64) { number.set(Double(value)) }
    func record(_ value: Double) { number.set(value) }
    func set(_ value: Int64) { number.set(Double(value)) }
    func set(_ value: Double) { number.set(value) }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
}

/// A distribution over fixed buckets; of durations in seconds, of other things in their unit.
final class HistogramInstrument: RecorderHandler, TimerHandler {
    /// The most bounds that a histogram can have.
    static let boundsMax = 31

    /// The upper bounds, ascending; above the last one there is one more bucket.
    let bounds: [Double]
    private let counts: InlineArray<32, Atomic<Int64>>
    private let sum = AtomicNumber()

    init(bounds: [Double]) {
        self.bounds = Array(bounds.prefix(Self.boundsMax))
        counts = InlineArray { _ in Atomic(0) }
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        // Not a number belongs to no bucket, and would spoil the sum for ever.
        guard !value.isNaN else { return }
        var bucket = 0
        while bucket < bounds.count, value > bounds[bucket] { bucket += 1 }
        counts[bucket].wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    /// The cumulative counts, one for each bound and one for all, and the sum.
    ///
    /// All is the last of the counts that are read here, so it never contradicts the buckets.
    func read() -> (cumulative: [Int64], sum: Double) {
        var total: Int64 = 0
        let cumulative = (0...bounds.count).map { bucket in
            total += counts[bucket].load(ordering: .relaxed)
            return total
        }
        return (cumulative, sum.value)
    }
}
