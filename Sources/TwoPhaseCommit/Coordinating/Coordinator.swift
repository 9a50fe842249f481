import CommitProtocol
import EventLoop
import PostgresTransactions
public import ServiceLifecycle
package import TransactionEngine
import TransactionMetrics

/// Runs transactions that commit in several PostgreSQL databases or in none of them.
///
/// A coordinator starts at its first run, or earlier with ``start()``, and works until ``shutdown()``;
/// as a `Service` of swift-service-lifecycle, ``run()`` does both. Any task, actor or executor may use it.
public final class Coordinator: Sendable {
    /// The executor of the one thread on which all coordinators of this process work.
    ///
    /// As ``Configuration/executorPreference`` it runs closures on that thread, which saves four
    /// thread switches per participant and two per statement after the first. A closure that blocks
    /// or computes for long there stalls every transaction of the process, and in the end the
    /// coordinator loses its lease. Use it for closures that do little more than run statements.
    public static var eventLoop: any TaskExecutor { EventLoop.shared }

    /// The configuration that the initializer received.
    public let configuration: Configuration
    private let loop: EventLoop
    private let clock: ContinuousClock
    private let random: @Sendable () -> UInt64
    private let metrics: LibraryMetrics
    /// Nil but in rehearsals.
    private let gate: ControlPointGate?
    private let state = Lock(State.idle)

    private typealias Start = Task<Result<Runtime, CoordinatorError>, Never>

    private enum State: Sendable {
        case idle
        case starting(Start)
        case running(Runtime)
        case stopped(Task<Void, Never>)
    }

    /// Makes a coordinator, which connects to nothing yet.
    public convenience init(_ configuration: Configuration) {
        self.init(
            configuration, loop: .shared, clock: ContinuousClock(),
            random: BufferedRandom().next, metrics: LibraryMetrics(configuration))
    }

    /// Makes a coordinator whose transactions pass this gate, for TwoPhaseCommitTesting.
    package convenience init(_ configuration: Configuration, gate: ControlPointGate) {
        self.init(
            configuration, loop: .shared, clock: ContinuousClock(),
            random: BufferedRandom().next, metrics: LibraryMetrics(configuration), gate: gate)
    }

    init(
        _ configuration: Configuration, loop: EventLoop, clock: ContinuousClock,
        random: @escaping @Sendable () -> UInt64, metrics: LibraryMetrics,
        gate: ControlPointGate? = nil
    ) {
        self.gate = gate
        self.configuration = configuration
        self.loop = loop
        self.clock = clock
        self.random = random
        self.metrics = metrics
    }

    // MARK: Starting and stopping

    /// Starts a coordinator, passes it to a body, and shuts it down when the body ends.
    ///
    /// The body runs in the caller's isolation.
    nonisolated(nonsending) public static func with<Result: Sendable>(
        _ configuration: Configuration,
        _ body: nonisolated(nonsending) (Coordinator) async throws -> Result
    ) async throws -> Result {
        let coordinator = Coordinator(configuration)
        do {
            try await coordinator.start()
            let result = try await body(coordinator)
            await coordinator.shutdown()
            return result
        } catch {
            await coordinator.shutdown()
            throw error
        }
    }

    /// Opens the state database, takes over unfinished transactions, and begins to connect.
    ///
    /// Does nothing if the coordinator has started already. An unreachable database does not fail the
    /// start: the coordinator connects when it comes back. Cancelling the task ends this call only;
    /// the start continues until ``shutdown()``.
    ///
    /// - Throws: ``CoordinatorError`` if the configuration is invalid, the state database cannot be
    ///   used, the coordinator was shut down, or the task was cancelled.
    public func start() async throws(CoordinatorError) {
        _ = try await runtime()
    }

    /// Rejects new transactions, waits for running ones, aborts the rest, and closes all connections.
    ///
    /// The wait takes at most ``Configuration/shutdownGrace``, aborting undecided transactions at most
    /// five seconds more. This gives up a start in progress. A coordinator cannot be started again.
    ///
    /// With a decision log, the next incarnation or another coordinator finishes what is still
    /// unfinished. Without one, branches that are still prepared stay prepared.
    public func shutdown() async {
        let grace = configuration.shutdownGrace
        let task = state.withLock { state in
            let task: Task<Void, Never>
            switch state {
            case .stopped(let earlier): return earlier
            case .idle: task = Task {}
            case .starting(let start):
                // The state database may never answer.
                start.cancel()
                task = Task {
                    if case .success(let runtime) = await start.value {
                        await runtime.close(within: grace)
                    }
                }
            case .running(let runtime): task = Task { await runtime.close(within: grace) }
            }
            state = .stopped(task)
            return task
        }
        await task.value
    }

    /// Starts the coordinator if necessary, and waits for that until the task is cancelled.
    private func runtime() async throws(CoordinatorError) -> Runtime {
        guard let runtime = try await runtime(within: .longest) else {
            throw CoordinatorError(
                .cancelled, "the task was cancelled while the coordinator started")
        }
        return runtime
    }

    /// Returns nil if the start takes longer than the limit, or the task is cancelled before it ends.
    private func runtime(within limit: Duration) async throws(CoordinatorError) -> Runtime? {
        let present = state.withLock { state in
            if case .idle = state { state = .starting(Task { await open() }) }
            return state
        }
        switch present {
        case .running(let runtime): return runtime
        case .starting(let start): return try await value(of: start, within: limit)?.get()
        case .idle, .stopped: throw Self.stopped
        }
    }

    private static let stopped = CoordinatorError(.stopped, "the coordinator is shut down")

    private func open() async -> Result<Runtime, CoordinatorError> {
        let result = await Runtime.open(
            configuration, on: loop, random: random, metrics: metrics, gate: gate)
        return state.withLock { state in
            // If the coordinator was shut down meanwhile, that explains the failure.
            guard case .starting = state else { return result.mapError { _ in Self.stopped } }
            switch result {
            case .success(let runtime): state = .running(runtime)
            // The next caller tries again.
            case .failure: state = .idle
            }
            return result
        }
    }

    /// Waits for a task with a limit, and leaves it running for other callers that wait longer.
    private func value<Value: Sendable>(
        of task: Task<Value, Never>, within limit: Duration
    ) async -> Value? {
        let (values, end) = AsyncStream<Value>.makeStream()
        Task {
            end.yield(await task.value)
            end.finish()
        }
        let timer = Task { [clock] in
            try? await Task.sleep(for: limit, clock: clock)
            end.finish()
        }
        defer { timer.cancel() }
        return await values.first { _ in true }
    }

    // MARK: Transactions

    /// Runs a transaction over these participants: it commits in all of them or in none.
    ///
    /// - Parameters:
    ///   - participants: At least one; several may use the same database.
    ///   - order: Whether the participants work in parallel or one after the other. In parallel means all
    ///     at once; after a deadlock the coordinator may order them for some seconds, by database.
    ///   - isolation: The isolation level in each database.
    ///   - timeout: The time limit from now to the decision; nil for ``Configuration/timeout``.
    ///   - retries: How often the transaction may run again, whole, after it lost to other
    ///     transactions: to a deadlock (``BranchError/Code-swift.enum/deadlock`` or SQLSTATE 40P01) or
    ///     a serialization failure (40001). Nil is 10 if all participants are statements, and 0 if one
    ///     has a closure, because a closure that runs again repeats whatever it does outside the
    ///     databases: see <doc:FailureSemantics>. All runs share the time limit.
    /// - Returns: The values that the closures returned in the run that committed, in the order of
    ///   the participants.
    /// - Throws: ``TransactionError``, which states the outcome. Cancelling the task before the
    ///   decision aborts the transaction. After the decision, cancelling has no effect.
    public func run<Value: Sendable>(
        _ participants: [Participant<Value>], order: ExecutionOrder = .parallel,
        isolation: IsolationLevel = .readCommitted, within timeout: Duration? = nil,
        retries: Int? = nil
    ) async throws(TransactionError) -> Committed<[Value]> {
        let works = participants.map { work($0) }
        let options = RunOptions(
            order: order, isolation: isolation, timeout: timeout, retries: retries)
        // Closures instead of key paths, which generic code would build at each run.
        let result = try await run(works.map { $0.erased }, options)
        return Committed(
            id: result.id, value: works.map { $0.value }, unconfirmed: result.unconfirmed)
    }

    /// Runs a transaction over participants of different types, and returns their values as a tuple.
    ///
    /// Otherwise the same as ``run(_:order:isolation:within:retries:)``.
    public func run<First: Sendable, each Other: Sendable>(
        _ first: Participant<First>, _ other: repeat Participant<each Other>,
        order: ExecutionOrder = .parallel, isolation: IsolationLevel = .readCommitted,
        within timeout: Duration? = nil, retries: Int? = nil
    ) async throws(TransactionError) -> Committed<(First, repeat each Other)> {
        let firstWork = work(first)
        let otherWorks = (repeat work(each other))
        var works = [firstWork.erased]
        for work in repeat each otherWorks { works.append(work.erased) }
        let options = RunOptions(
            order: order, isolation: isolation, timeout: timeout, retries: retries)
        let result = try await run(works, options)
        return Committed(
            id: result.id, value: (firstWork.value, repeat (each otherWorks).value),
            unconfirmed: result.unconfirmed)
    }

    /// Returns the status of a transaction; use it to learn an unknown outcome.
    ///
    /// With a decision log, every coordinator that shares the log can answer. Without one, only this
    /// coordinator can, for its recent transactions.
    ///
    /// - Returns: Nil if there is no record of the transaction and it is not running here. With a
    ///   decision log, a transaction whose outcome was unknown has then not been committed.
    /// - Throws: ``CoordinatorError`` if the state database does not answer or reports an error.
    public func status(
        of id: TransactionID
    ) async throws(CoordinatorError) -> TransactionStatus? {
        guard let known = GlobalTransactionID(id.description) else { return nil }
        let runtime = try await runtime()
        do {
            let record = try await runtime.engine.status(of: known, principal: Runtime.principal)
            return record.map(TransactionStatus.init)
        } catch {
            throw CoordinatorError(.stateDatabase, error.reason)
        }
    }

    private func work<Value>(_ participant: Participant<Value>) -> Work<Value> {
        Work(participant, executorPreference: configuration.executorPreference)
    }

    /// What a call of `run` asks for besides the work.
    private struct RunOptions {
        let order: ExecutionOrder
        let isolation: IsolationLevel
        let timeout: Duration?
        let retries: Int?
    }

    private func run(
        _ works: [ErasedWork], _ options: RunOptions
    ) async throws(TransactionError) -> CommitResult {
        // These never reach the engine, so they are counted here.
        func refused(_ code: Refusal.Code, _ reason: String) -> TransactionError {
            metrics.engine.count(RefusalReason(code))
            return .aborted(
                Aborted(id: nil, cause: .refused(Refusal(code: code, description: reason))))
        }
        guard !works.isEmpty else {
            throw refused(.invalid, "expected at least one participant, got none")
        }
        let retries = options.retries ?? (works.contains(where: \.isClosure) ? 0 : 10)
        guard retries >= 0 else {
            throw refused(.invalid, "expected 0 or more retries, got \(retries)")
        }
        let timeout = (options.timeout ?? configuration.timeout).bounded
        let start = clock.now
        let started: Runtime?
        do {
            started = try await runtime(within: timeout)
        } catch {
            throw refused(
                error.code == .stateDatabase ? .stateDatabaseUnavailable : .notRunning,
                error.description)
        }
        guard let runtime = started else {
            throw .aborted(Aborted(id: nil, cause: Task.isCancelled ? .cancelled : .deadline))
        }
        var request = TransactionRequest(
            principal: Runtime.principal, idempotency: nil,
            branches: works.map(\.branch), isolation: Isolation(options.isolation),
            // The first run may have had to start the coordinator.
            timeout: (timeout - start.duration(to: clock.now)).bounded, labels: [],
            execution: options.order == .parallel ? .parallel : .inOrder, retriesMax: retries,
            isCancellable: true)
        LibraryTraces.mark(&request)
        // From here on the engine stays on the loop's thread, and closures run where they prefer to.
        let answer = await withTaskExecutorPreference(loop) {
            await runtime.engine.run(request)
        }
        return try CommitResult(answer, works, isLogless: runtime.isLogless)
    }
}

extension Coordinator: Service {
    /// Runs the coordinator until a graceful shutdown or cancellation, then shuts it down.
    ///
    /// Transactions may run before and meanwhile, from any task.
    ///
    /// - Throws: ``CoordinatorError`` if the coordinator cannot start, or if another process has
    ///   started under this replica's name.
    public func run() async throws {
        let runtime: Runtime
        do {
            runtime = try await cancelWhenGracefulShutdown { try await self.runtime() }
        } catch let error as CoordinatorError where error.code == .cancelled {
            return await shutdown()
        }
        let wasSuperseded = await withTaskGroup(of: Bool.self) { group in
            if let state = runtime.state {
                group.addTask {
                    await state.waitUntilSuperseded()
                    return !Task.isCancelled
                }
            }
            group.addTask {
                // It throws when the task is cancelled, which ends the service as well.
                try? await gracefulShutdown()
                return false
            }
            let first = await group.next() ?? false
            group.cancelAll()
            return first
        }
        await shutdown()
        if wasSuperseded {
            throw CoordinatorError(
                .superseded, "another process has started under this replica's name")
        }
    }
}

extension Duration {
    /// A year stands for no limit; adding it to a clock's time does not overflow.
    fileprivate static let longest = Duration.seconds(365 * 24 * 3600)

    fileprivate var bounded: Duration { min(max(self, .zero), .longest) }
}

extension RefusalReason {
    fileprivate init(_ code: Refusal.Code) {
        switch code {
        case .invalid: self = .invalid
        case .stateDatabaseUnavailable: self = .stateUnavailable
        default: self = .notRunning
        }
    }
}

extension Isolation {
    fileprivate init(_ level: IsolationLevel) {
        switch level {
        case .readCommitted: self = .readCommitted
        case .repeatableRead: self = .repeatableRead
        case .serializable: self = .serializable
        }
    }
}

extension TransactionStatus {
    fileprivate init(_ record: TransactionRecord) {
        if record.needsOperator {
            self = .needsOperator
            return
        }
        switch record.state {
        case .active, .preparing: self = .undecided
        case .committing: self = .committing
        case .committed: self = .committed
        case .aborting, .aborted: self = .aborted
        case .needsOperator: self = .needsOperator
        }
    }
}
