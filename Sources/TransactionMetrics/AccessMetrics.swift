package import Metrics

/// Measures whom the server lets in.
package struct AccessMetrics: Sendable {
    private let refusals: [String: Counter]
    private let fileRefused: Gauge

    /// Makes the instruments; `reasons` are all that a refusal may have.
    package init(reasons: [String], factory: any MetricsFactory) {
        refusals = Dictionary(
            uniqueKeysWithValues: reasons.map {
                ($0, Metric.accessRefusals.counter($0, in: factory))
            })
        fileRefused = Metric.accessFileRefused.gauge(in: factory)
        fileRefused.record(0)
    }

    /// A request was refused for this reason.
    package func countRefusal(_ reason: String) { refusals[reason]?.increment() }

    /// Says whether the newest access file has a fault.
    package func setFileRefused(_ isRefused: Bool) { fileRefused.record(isRefused ? 1 : 0) }
}
