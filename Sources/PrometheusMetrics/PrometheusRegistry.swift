package import CoreMetrics
import Synchronization

/// Keeps metrics in memory, and renders them for Prometheus.
///
/// A label of swift-metrics is the name that is exposed: `tandem_transactions_total` for a counter, a
/// name that ends in `_seconds` for a timer. Making an instrument takes a lock; using it does not.
package final class PrometheusRegistry: MetricsFactory {
    /// The buckets of a histogram that no description gives any: seconds.
    package static let defaultBuckets: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    private let descriptions: [String: MetricDescription]
    private let families = Mutex<[String: Family]>([:])

    /// Makes an empty registry that knows these descriptions.
    package init(_ descriptions: [MetricDescription] = []) {
        self.descriptions = Dictionary(descriptions.map { ($0.name, $0) }) { first, _ in first }
    }

    /// All metrics in Prometheus' text format, version 0.0.4, by name and then by labels.
    package func render() -> [UInt8] {
        var text = TextExposition()
        for family in families.withLock({ Array($0.values) }).sorted(by: { $0.name < $1.name }) {
            text.append(family)
        }
        return text.bytes
    }

    // MARK: Making instruments

    package func makeCounter(
        label: String, dimensions: [(String, String)]
    ) -> any CounterHandler {
        instrument(label, dimensions, .counter) { _ in CounterInstrument() }
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        instrument(label, dimensions, .counter) { _ in SumInstrument() }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        instrument(label, dimensions, .gauge) { _ in GaugeInstrument() }
    }

    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        aggregate
            ? histogram(label, dimensions)
            : instrument(label, dimensions, .gauge) { _ in GaugeInstrument() }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        histogram(label, dimensions)
    }

    private func histogram(
        _ label: String, _ dimensions: [(String, String)]
    ) -> HistogramInstrument {
        instrument(label, dimensions, .histogram) { description in
            let buckets = description?.buckets ?? []
            return HistogramInstrument(bounds: buckets.isEmpty ? Self.defaultBuckets : buckets)
        }
    }

    /// The instrument of these labels, or a new one.
    ///
    /// A name has one type. One that is asked for with another gets an instrument that is exposed
    /// nowhere: two types under a name would make the whole answer unreadable.
    private func instrument<Instrument: AnyObject & Sendable>(
        _ label: String, _ dimensions: [(String, String)], _ type: Family.Kind,
        make: (MetricDescription?) -> Instrument
    ) -> Instrument {
        let name = ExposedName.metric(label)
        let labels = Labels(dimensions)
        return families.withLock { families in
            let description = descriptions[name]
            let family =
                families[name]
                ?? Family(name: name, help: description?.help ?? "", kind: type)
            families[name] = family
            if let known = family.instrument(of: labels) {
                return known as? Instrument ?? make(description)
            }
            let new = make(description)
            if family.kind == type { families[name] = family.adding(new, labels) }
            return new
        }
    }

    // MARK: Forgetting instruments

    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
        remove(handler)
    }
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }

    private func remove(_ handler: AnyObject) {
        families.withLock { families in
            for (name, family) in families {
                let rest = family.removing(handler)
                families[name] = rest.children.isEmpty ? nil : rest
            }
        }
    }
}

/// All metrics of one name.
struct Family: Sendable {
    enum Kind: String, Sendable { case counter, gauge, histogram }

    let name: String
    let help: String
    let kind: Kind
    private(set) var children: [(labels: Labels, instrument: any AnyObject & Sendable)] = []

    func instrument(of labels: Labels) -> (any AnyObject & Sendable)? {
        children.first { $0.labels == labels }?.instrument
    }

    func adding(_ instrument: any AnyObject & Sendable, _ labels: Labels) -> Family {
        var family = self
        let place = children.firstIndex { labels < $0.labels } ?? children.endIndex
        family.children.insert((labels, instrument), at: place)
        return family
    }

    func removing(_ instrument: AnyObject) -> Family {
        var family = self
        family.children.removeAll { $0.instrument === instrument }
        return family
    }
}

/// The labels of one metric, by their names.
struct Labels: Sendable, Hashable, Comparable {
    struct Pair: Sendable, Hashable {
        let name: String
        let value: String
    }

    let pairs: [Pair]
    /// As it stands between the braces.
    let text: String

    init(_ dimensions: [(String, String)]) {
        pairs = dimensions.map { Pair(name: ExposedName.label($0.0), value: $0.1) }
            .sorted { $0.name < $1.name }
        text = pairs.map {
            "\($0.name)=\"\(TextExposition.escaped($0.value, quotes: true))\""
        }.joined(separator: ",")
    }

    static func < (first: Labels, second: Labels) -> Bool {
        first.pairs.lexicographicallyPrecedes(second.pairs) {
            ($0.name, $0.value) < ($1.name, $1.value)
        }
    }
}

/// Names as Prometheus allows them: every other character becomes an underscore.
enum ExposedName {
    static func metric(_ name: String) -> String { sound(name, allowsColon: true) }
    static func label(_ name: String) -> String { sound(name, allowsColon: false) }

    private static func sound(_ name: String, allowsColon: Bool) -> String {
        func isLetter(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || byte == UInt8(ascii: "_") || allowsColon && byte == UInt8(ascii: ":")
        }
        func isDigit(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        let bytes = name.utf8.map { isLetter($0) || isDigit($0) ? $0 : UInt8(ascii: "_") }
        let needsLetter = bytes.first.map(isDigit) ?? true
        return (needsLetter ? "_" : "") + String(decoding: bytes, as: UTF8.self)
    }
}
