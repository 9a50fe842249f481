import AccessControl
import EventLoop
import HTTPServer
import HTTPTypes
import Metrics
import PostgresClient
import PostgresTransactions
import PrometheusMetrics
import TransactionEngine
import TransactionMetrics

/// The metrics of a replica, and how they are rendered for Prometheus.
struct ServerMetrics: Sendable {
    let engine: EngineMetrics
    let log: LogMetrics
    let access: AccessMetrics
    let webhook: WebhookMetrics
    private let state: StateMetrics
    private let queues: QueueMetrics
    private let registry: PrometheusRegistry
    private let factory: any MetricsFactory

    /// - Parameter isMeasuring: whether instruments keep what they are given.
    init(participants: [String], isMeasuring: Bool = true) {
        registry = PrometheusRegistry(
            Metric.all.map {
                MetricDescription(name: $0.name, help: $0.help, buckets: $0.buckets)
            })
        factory = isMeasuring ? registry : NOOPMetricsHandler.instance
        engine = EngineMetrics(participants: participants, factory: factory)
        log = LogMetrics(factory: factory)
        access = AccessMetrics(reasons: AccessDenial.reasons, factory: factory)
        webhook = WebhookMetrics(factory: factory)
        state = StateMetrics(participants: participants, factory: factory)
        queues = QueueMetrics(factory: factory)
    }

    /// Makes the observers of the connection pools of a participant.
    func pools(of participant: String) -> @Sendable (PoolPurpose) -> any ConnectionPoolObserver {
        { [factory] purpose in
            PoolMetrics(
                participant: participant, pool: purpose.rawValue, hasWaits: purpose != .work,
                factory: factory)
        }
    }

    /// Makes the observer of a route.
    func route(_ method: HTTPRequest.Method?, _ pattern: String?) -> any RouteObserver {
        ObservedRoute(
            metrics: RouteMetrics(
                route: pattern ?? "none", method: method?.rawValue ?? "any", factory: factory))
    }

    /// Sets the gauges to what this replica holds in memory, and renders everything.
    ///
    /// A detached task, since a thousand lines would keep the loop from its transactions.
    func render(_ current: ReplicaState) async -> [UInt8] {
        state.set(current)
        return await Task.detached { [registry] in registry.render() }.value
    }

    /// Reads the queues of all replicas again and again until the task is cancelled.
    func readQueuesContinuously(
        of engine: TransactionEngine, every interval: Duration, clock: any EngineClock
    ) async {
        while !Task.isCancelled {
            do throws(LogUnavailable) {
                queues.set(try await engine.queues(), at: clock.wallTime)
            } catch {
                queues.setUnknown()
            }
            await clock.pause(interval)
        }
    }
}

/// Hands the answers of a route to its metrics.
private struct ObservedRoute: RouteObserver {
    let metrics: RouteMetrics

    func answered(_ status: HTTPResponse.Status, after time: Duration) {
        metrics.answered(status.code, after: time)
    }
}
