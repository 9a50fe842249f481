package import EventLoop
package import Metrics

/// Counts the answers of one route.
///
/// A status gets its counter when it is first answered: there are few, and each is a place in an array.
@LoopActor
package final class RouteMetrics {
    private let route: String
    private let method: String
    private let factory: any MetricsFactory
    private let duration: Metrics.Timer
    private var counters: [Counter?] = Array(repeating: nil, count: 600)

    /// Makes the instruments of a route, by its template and its method.
    package nonisolated init(route: String, method: String, factory: any MetricsFactory) {
        self.route = route
        self.method = method
        self.factory = factory
        duration = Metric.httpDuration.timer(route, method, in: factory)
    }

    /// A request was answered with this status, after so long.
    package func answered(_ status: Int, after time: Duration) {
        duration.record(duration: time)
        guard counters.indices.contains(status) else { return }
        if let counter = counters[status] { return counter.increment() }
        let counter = Metric.httpRequests.counter(route, method, "\(status)", in: factory)
        counters[status] = counter
        counter.increment()
    }
}
