package import Metrics

/// Measures whether the webhook reaches operators.
package struct WebhookMetrics: Sendable {
    /// What became of a message, or of an attempt to send it.
    package enum Result: String, Sendable, CaseIterable {
        /// The receiver took it.
        case accepted
        /// The receiver did not take it; it is sent again.
        case failed
        /// It was not taken for so long that it is not sent again.
        case abandoned
    }

    private let messages: [Result: Counter]
    private let undelivered: Gauge

    /// Makes the instruments.
    package init(factory: any MetricsFactory) {
        messages = Dictionary(
            uniqueKeysWithValues: Result.allCases.map {
                ($0, Metric.webhookMessages.counter($0.rawValue, in: factory))
            })
        undelivered = Metric.webhookUndelivered.gauge(in: factory)
        undelivered.record(0)
    }

    /// Counts messages.
    package func count(_ result: Result, _ count: Int) { messages[result]?.increment(by: count) }

    /// Sets how many messages were tried and not taken yet; nil if that is not known.
    package func setUndelivered(_ count: Int?) {
        undelivered.record(count.map { Double($0) } ?? .nan)
    }
}
