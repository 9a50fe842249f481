package import Metrics
import TransactionEngine

/// Measures the batched writes of the decision log.
package struct LogMetrics: LogObserver {
    private let duration: Metrics.Timer
    private let records: Recorder
    private let failures: Counter

    /// Makes the instruments.
    package init(factory: any MetricsFactory) {
        duration = Metric.flushDuration.timer(in: factory)
        records = Metric.flushRecords.recorder(in: factory)
        failures = Metric.flushFailures.counter(in: factory)
    }

    package func flushed(recordCount: Int, in time: Duration, isWritten: Bool) {
        guard isWritten else { return failures.increment() }
        duration.record(duration: time)
        records.record(recordCount)
    }
}
