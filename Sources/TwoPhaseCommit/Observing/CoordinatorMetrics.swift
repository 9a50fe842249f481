import Metrics

/// What is counted, through the metrics system that the program has bootstrapped.
struct CoordinatorMetrics: Sendable {
    private let committed: Counter
    private let aborted: Counter
    private let inPart: Counter
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
        inPart = counter("committed_in_part")
        unknown = counter("unknown")
        duration = Metrics.Timer(
            label: "tandem_library_transaction_duration", dimensions: [], factory: factory)
    }

    func committed(in time: Duration) {
        committed.increment()
        record(time)
    }

    func failed(_ error: TransactionError, in time: Duration) {
        switch error {
        case .aborted: aborted.increment()
        case .committed: inPart.increment()
        case .unknown: unknown.increment()
        }
        record(time)
    }

    private func record(_ time: Duration) {
        let (seconds, attoseconds) = time.components
        duration.recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
