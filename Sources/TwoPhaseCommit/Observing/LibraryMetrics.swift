import Metrics
import PostgresClient
import PostgresTransactions
import TransactionMetrics

/// Reports to the metrics system that the program has bootstrapped, under the names of the server.
struct LibraryMetrics: Sendable {
    let engine: EngineMetrics
    let state: StateMetrics
    let log: LogMetrics
    private let factory: any MetricsFactory

    init(
        _ configuration: Coordinator.Configuration,
        factory: any MetricsFactory = MetricsSystem.factory
    ) {
        let names = configuration.databases.map(\.name)
        engine = EngineMetrics(participants: names, factory: factory)
        state = StateMetrics(participants: names, factory: factory)
        log = LogMetrics(factory: factory)
        self.factory = factory
    }

    /// Makes the observers of the connection pools of one database.
    func pools(of database: String) -> @Sendable (PoolPurpose) -> any ConnectionPoolObserver {
        { [factory] purpose in
            PoolMetrics(
                participant: database, pool: purpose.rawValue, hasWaits: purpose != .work,
                factory: factory)
        }
    }
}
