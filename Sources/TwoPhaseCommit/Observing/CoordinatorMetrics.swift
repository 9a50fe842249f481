import Metrics

/// Reports transactions to the metrics system that the program has bootstrapped.
struct CoordinatorMetrics: Sendable {
    private let committed: Counter
    private let aborted: Counter
    private let committedInPart: Counter
    private let unknown: Counter
    private let duration: Metrics.Timer

    init(factory: any MetricsFactory = MetricsSystem.factory) {
        func counter(_ outcome: String) -> Counter {
            Counter(
                label: "tandem_library_transactions", dimensions: [("outcome", outcome)],
                factory: factory)
        }
        committed = counter("committed")
        aborted = counter("aborted")
        committedInPart = counter("committed_in_part")
        unknown = counter("unknown")
        duration = Metrics.Timer(
            label: "tandem_library_transaction_duration", dimensions: [], factory: factory)
    }

    func committed(in time: Duration) {
        committed.increment()
        duration.record(duration: time)
    }

    func failed(_ error: TransactionError, in time: Duration) {
        switch error {
        case .aborted: aborted.increment()
        case .committed: committedInPart.increment()
        case .unknown: unknown.increment()
        }
        duration.record(duration: time)
    }
}
