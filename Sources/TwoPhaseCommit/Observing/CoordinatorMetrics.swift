import Metrics
import PostgresClient
import TransactionEngine

/// Reports transactions to the metrics system that the program has bootstrapped.
struct CoordinatorMetrics: EngineObserver {
    private let committed: Counter
    private let aborted: Counter
    private let committedInPart: Counter
    private let unknown: Counter
    private let deadlocks: Counter
    private let deadlockRetries: Counter
    private let serializationRetries: Counter
    private let duration: Metrics.Timer
    private let factory: any MetricsFactory

    init(factory: any MetricsFactory = MetricsSystem.factory) {
        self.factory = factory
        func counter(_ outcome: String) -> Counter {
            Counter(
                label: "tandem_library_transactions", dimensions: [("outcome", outcome)],
                factory: factory)
        }
        committed = counter("committed")
        aborted = counter("aborted")
        committedInPart = counter("committed_in_part")
        unknown = counter("unknown")
        func retries(_ cause: String) -> Counter {
            Counter(
                label: "tandem_library_retries", dimensions: [("cause", cause)], factory: factory)
        }
        deadlocks = Counter(label: "tandem_library_deadlocks", factory: factory)
        deadlockRetries = retries("deadlock")
        serializationRetries = retries("serialization_failure")
        duration = Metrics.Timer(
            label: "tandem_library_transaction_duration", dimensions: [], factory: factory)
    }

    func committed(in time: Duration) {
        committed.increment()
        duration.record(duration: time)
    }

    func failed(_ error: TransactionError, in time: Duration) {
        switch error {
        case .aborted(let result):
            aborted.increment()
            if let error = result.branchError, error.isDeadlock { deadlocks.increment() }
        case .committed: committedInPart.increment()
        case .unknown: unknown.increment()
        }
        duration.record(duration: time)
    }

    /// Reports what the engine does by itself, after and between the runs.
    func observe(_ event: EngineEvent) {
        switch event {
        case .answered, .ended(_, _):
            // Counted at the end of `run`, which sees refusals of the coordinator as well.
            break
        case .retried(_, let failure):
            // A run that is not the last has no error that `run` could throw.
            if BranchError(failure).isDeadlock {
                deadlocks.increment()
                deadlockRetries.increment()
            } else {
                serializationRetries.increment()
            }
        case .heuristicOutcome(let database):
            Counter(
                label: "tandem_library_heuristic_outcomes", dimensions: [("database", database)],
                factory: factory
            ).increment()
        case .recoveryPass(let pass):
            guard pass.adoptedCount > 0 else { return }
            Counter(label: "tandem_library_recovered_transactions", factory: factory)
                .increment(by: pass.adoptedCount)
        case .scanned(let database, let reportedCount):
            Gauge(
                label: "tandem_library_unresolved_transactions",
                dimensions: [("database", database)], factory: factory
            ).record(reportedCount)
        }
    }

    func connections(of database: String) -> any ConnectionPoolObserver {
        ConnectionMetrics(database: database, factory: factory)
    }
}

extension BranchError {
    /// Whether tandem or PostgreSQL cancelled the branch as the victim of a deadlock.
    fileprivate var isDeadlock: Bool { code == .deadlock || server?.sqlState == "40P01" }
}

/// Reports the connections of one database.
private struct ConnectionMetrics: ConnectionPoolObserver {
    private let opened: Counter
    private let failed: Counter
    private let closed: Counter
    private let wait: Metrics.Timer

    init(database: String, factory: any MetricsFactory) {
        func counter(_ event: String) -> Counter {
            Counter(
                label: "tandem_library_connections",
                dimensions: [("database", database), ("event", event)], factory: factory)
        }
        opened = counter("opened")
        failed = counter("failed")
        closed = counter("closed")
        wait = Metrics.Timer(
            label: "tandem_library_connection_wait", dimensions: [("database", database)],
            factory: factory)
    }

    func connectionOpened() { opened.increment() }
    func connectionFailed(_ error: any Error) { failed.increment() }
    func connectionClosed() { closed.increment() }
    func leaseGiven(after wait: Duration) { self.wait.record(duration: wait) }
}
