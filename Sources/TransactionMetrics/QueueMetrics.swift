package import Metrics
package import TransactionEngine

/// The gauges of the queues of all replicas, as they were last read from the state database.
package struct QueueMetrics: Sendable {
    private let counts: ByCase<TransactionQueue, Gauge>
    private let oldest: ByCase<TransactionQueue, Gauge>
    private let readAt: Gauge

    /// Makes the gauges; until the queues are read they are not a number.
    package init(factory: any MetricsFactory) {
        counts = ByCase { $0.count.gauge(in: factory) }
        oldest = ByCase { $0.oldest.gauge(in: factory) }
        readAt = Metric.queuesReadAt.gauge(in: factory)
        readAt.record(Double.nan)
        setUnknown()
    }

    /// Sets the gauges to what was read at this time.
    package func set(_ queues: [QueueSummary], at now: Timestamp) {
        for queue in queues {
            counts[queue.queue].record(queue.count)
            let since = queue.oldest?.acceptedAt ?? now
            oldest[queue.queue].record(Double(max(0, now - since)) / 1_000_000)
        }
        readAt.record(Double(now) / 1_000_000)
    }

    /// The state database did not answer: none of it is known any more, but when it was last read.
    package func setUnknown() {
        for queue in TransactionQueue.allCases {
            counts[queue].record(Double.nan)
            oldest[queue].record(Double.nan)
        }
    }
}

extension TransactionQueue {
    fileprivate var count: Metric {
        switch self {
        case .running: .running
        case .retrying: .retrying
        case .inDoubt: .inDoubt
        case .needsOperator: .needsOperator
        }
    }

    fileprivate var oldest: Metric {
        switch self {
        case .running: .oldestRunning
        case .retrying: .oldestRetrying
        case .inDoubt: .oldestInDoubt
        case .needsOperator: .oldestNeedsOperator
        }
    }
}
