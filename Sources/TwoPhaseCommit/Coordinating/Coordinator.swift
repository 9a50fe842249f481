import EventLoop

/// Commits a change to several PostgreSQL databases, or to none of them.
///
/// A coordinator starts by itself at its first run, or before that by ``start()``; it looks after
/// its databases until ``shutdown()``. It is a `Service` of swift-service-lifecycle too, whose
/// ``run()`` does both. It can be used from any task, actor or executor.
public final class Coordinator: Sendable {
    /// The thread on which every coordinator of this process works, as an executor.
    ///
    /// Closures that prefer it (``Configuration/executorPreference``) spare four changes of threads
    /// a participant, and two more with every statement after the first. But one that blocks or
    /// computes for long there holds up all transactions of the process, and in the end its lease
    /// runs out. So it is for closures that do little more than run statements; what takes time
    /// belongs into a task of its own, or on the global executor, where closures run by default.
    public static var eventLoop: any TaskExecutor { EventLoop.shared }

    /// What it was made of.
    public let configuration: Configuration
    let metrics: CoordinatorMetrics
    private let incarnation = Lock(Incarnation.idle)

    private typealias Start = Task<Result<Runtime, CoordinatorError>, Never>

    private enum Incarnation: Sendable {
        case idle
        case starting(Start)
        case running(Runtime)
        case stopped(Task<Void, Never>)
    }

    /// Makes a coordinator, which connects to nothing yet.
    public init(_ configuration: Configuration) {
        self.configuration = configuration
        metrics = CoordinatorMetrics()
    }

    /// Starts a coordinator, hands it to a body, and shuts it down when the body ends.
    ///
    /// The body runs where the caller does, so that it may use what belongs to an actor.
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

    /// Opens the state database, takes over what is left there, and begins to connect.
    ///
    /// Harmless if it is started already. A database that is down stops nobody: it is connected
    /// when it comes back. If the task is cancelled meanwhile it waits no longer, and the start goes on
    /// until ``shutdown()``.
    public func start() async throws(CoordinatorError) {
        _ = try await runtime()
    }

    /// Refuses new transactions, waits at most ``Configuration/shutdownGrace`` for those under way,
    /// aborts what is undecided by then, which takes five seconds at most, and closes every
    /// connection.
    ///
    /// A start that is still under way is given up, and a coordinator that was shut down does not start
    /// again: make another.
    ///
    /// With a decision log, what is not finished by then is finished by the next life or by another
    /// coordinator. Without one, what is prepared and not ended by then stays prepared.
    public func shutdown() async {
        let grace = configuration.shutdownGrace
        let task = incarnation.withLock { incarnation in
            let task: Task<Void, Never>
            switch incarnation {
            case .stopped(let earlier): return earlier
            case .idle: task = Task {}
            case .starting(let start):
                // The state database may hold its answer back for as long as it likes.
                start.cancel()
                task = Task {
                    if case .success(let runtime) = await start.value {
                        await runtime.close(within: grace)
                    }
                }
            case .running(let runtime): task = Task { await runtime.close(within: grace) }
            }
            incarnation = .stopped(task)
            return task
        }
        await task.value
    }

    /// The running engine; starts it if need be, and waits for that as long as the task lives.
    func runtime() async throws(CoordinatorError) -> Runtime {
        guard let runtime = try await runtime(within: .longest) else {
            throw CoordinatorError(
                .cancelled, "the task was cancelled while the coordinator started")
        }
        return runtime
    }

    /// The same; nil if it has not started within a time, or until the task was cancelled.
    func runtime(within limit: Duration) async throws(CoordinatorError) -> Runtime? {
        let present = incarnation.withLock { incarnation in
            if case .idle = incarnation { incarnation = .starting(Task { await open() }) }
            return incarnation
        }
        switch present {
        case .running(let runtime): return runtime
        case .starting(let start): return try await Self.value(of: start, within: limit)?.get()
        case .idle, .stopped: throw Self.stopped
        }
    }

    private static let stopped = CoordinatorError(.stopped, "the coordinator is shut down")

    private func open() async -> Result<Runtime, CoordinatorError> {
        let result = await Runtime.open(configuration)
        return incarnation.withLock { incarnation in
            // If it was shut down meanwhile, that is why it failed.
            guard case .starting = incarnation else { return result.mapError { _ in Self.stopped } }
            switch result {
            case .success(let runtime): incarnation = .running(runtime)
            // The next who asks tries again.
            case .failure: incarnation = .idle
            }
            return result
        }
    }

    /// What a task comes to, which others may wait for as well, and longer.
    private static func value<Value: Sendable>(
        of task: Task<Value, Never>, within limit: Duration
    ) async -> Value? {
        let (values, end) = AsyncStream<Value>.makeStream()
        Task {
            end.yield(await task.value)
            end.finish()
        }
        let timer = Task {
            try? await Task.sleep(for: limit)
            end.finish()
        }
        defer { timer.cancel() }
        return await values.first { _ in true }
    }
}

extension Duration {
    /// A year, which is for ever: what is reckoned with it does not overflow.
    static let longest = Duration.seconds(365 * 24 * 3600)
}
