import AccessControl
import CoordinatorAPI
import EventLoop
import PostgresTransactions
import TransactionEngine

/// How a replica knows its callers, for as long as it runs.
struct ReplicaAccess: Sendable {
    let authorizer: Authorizer
    private let reload: AccessReload?
    private let watch: Task<Void, Never>?

    /// Begins with this table, nil if everybody may do everything, and follows the access file.
    @LoopActor
    init(
        _ configuration: Configuration, _ table: AccessTable?, state: StateDatabase,
        metrics: ServerMetrics, clock: some EngineClock
    ) {
        let gate = AccessGate(table: table, wallTime: { clock.wallTime })
        let audit = AuditLog(configuration, state: state, metrics: metrics.access)
        let reload = configuration.access.file.map {
            AccessReload(path: $0, gate: gate, audit: audit)
        }
        let interval = Duration.milliseconds(configuration.access.reloadMilliseconds)
        self.reload = reload
        watch = reload.map { reload in
            Task(executorPreference: EventLoop.shared) {
                await reload.watch(every: interval, clock: clock)
            }
        }
        authorizer = Authorizer(gate, audit: audit, forwarded: configuration.forwardedFields)
    }

    /// Reads the access file again, if there is one.
    func readNow() async { await reload?.readNow() }

    func stop() { watch?.cancel() }
}
