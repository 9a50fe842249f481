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
    private let life = Lock(Life.idle)

    private enum Life: Sendable {
        case idle
        case open(Task<Result<Runtime, CoordinatorError>, Never>)
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
        try await coordinator.start()
        do {
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
    /// when it comes back.
    public func start() async throws(CoordinatorError) {
        _ = try await runtime()
    }

    /// Refuses new transactions, waits at most ``Configuration/shutdownGrace`` for those under way,
    /// aborts what is undecided by then, which takes five seconds at most, and closes every
    /// connection.
    ///
    /// With a decision log, what is not finished by then is finished by the next life or by another
    /// coordinator. Without one, what is prepared and not ended by then stays prepared.
    public func shutdown() async {
        let task = life.withLock { life in
            switch life {
            case .stopped(let task): return task
            case .idle, .open:
                let grace = configuration.shutdownGrace
                var starting: Task<Result<Runtime, CoordinatorError>, Never>?
                if case .open(let task) = life { starting = task }
                let task = Task { [starting] in
                    guard case .success(let runtime)? = await starting?.value else { return }
                    await runtime.close(within: grace)
                }
                life = .stopped(task)
                return task
            }
        }
        await task.value
    }

    /// The running engine; starts it if need be.
    func runtime() async throws(CoordinatorError) -> Runtime {
        let configuration = configuration
        let task: Task<Result<Runtime, CoordinatorError>, Never>? = life.withLock { life in
            switch life {
            case .idle:
                let task = Task { await Runtime.open(configuration) }
                life = .open(task)
                return task
            case .open(let task): return task
            case .stopped: return nil
            }
        }
        guard let task else { throw CoordinatorError(.stopped, "the coordinator is shut down") }
        switch await task.value {
        case .success(let runtime): return runtime
        case .failure(let error):
            // The next who asks tries again.
            life.withLock { life in
                if case .open(let failed) = life, failed == task { life = .idle }
            }
            throw error
        }
    }
}
