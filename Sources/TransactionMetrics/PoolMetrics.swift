package import Metrics
import PostgresClient

/// Counts the connections of one of a participant's pools, and measures the waits for them.
package struct PoolMetrics: ConnectionPoolObserver {
    private let opened: Counter
    private let failed: Counter
    private let closed: Counter
    /// Nil for working sessions: those are reserved for all branches together.
    private let wait: Metrics.Timer?

    /// Makes the instruments of a pool of this name.
    package init(
        participant: String, pool: String, hasWaits: Bool, factory: any MetricsFactory
    ) {
        func counter(_ event: String) -> Counter {
            Metric.connections.counter(participant, pool, event, in: factory)
        }
        opened = counter("opened")
        failed = counter("failed")
        closed = counter("closed")
        wait = hasWaits ? Metric.connectionWait.timer(participant, pool, in: factory) : nil
    }

    package func connectionOpened() { opened.increment() }
    package func connectionFailed(_ error: any Error) { failed.increment() }
    package func connectionClosed() { closed.increment() }
    package func leaseGiven(after wait: Duration) { self.wait?.record(duration: wait) }
}
