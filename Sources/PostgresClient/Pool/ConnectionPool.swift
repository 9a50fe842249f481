public import EventLoop

/// Connections to one server that are opened in the background and lent out.
///
/// A pool never connects while somebody waits for the answer: who finds none idle says how many are
/// wanted (``demand(_:)``), or queues (``acquire(timeout:)``). After a failure one attempt at
/// a time is made, at growing intervals, for as long as there is a want.
@LoopActor
public final class ConnectionPool {
    /// A failed attempt to connect, or to prepare a connection.
    public struct Failure: Sendable {
        /// What went wrong.
        public var error: any Error
        /// When.
        public var at: ContinuousClock.Instant
    }

    /// A member of the pool; idle if it is in `idle`, taken otherwise.
    struct Member {
        var connection: PostgresConnection
        var born: ContinuousClock.Instant
        var idleSince: ContinuousClock.Instant
    }

    /// What is done with every new connection before its first use.
    public typealias Preparation = PostgresConnection.Preparation

    /// The size and the times.
    public let configuration: PoolConfiguration
    let options: ConnectionOptions
    let prepare: Preparation

    /// Called whenever a connection has become idle and nobody queues for it.
    public var onIdle: (@LoopActor () -> Void)?
    /// Called after every failed attempt; ``lastFailure`` says why it failed.
    public var onFailure: (@LoopActor () -> Void)?
    /// The last failed attempt; nil once an attempt has succeeded.
    public internal(set) var lastFailure: Failure?

    /// Everything connected and prepared, lent out or not.
    var members: [ObjectIdentifier: Member] = [:]
    /// The idle ones.
    ///
    /// The last is lent first: its statements are prepared and its caches warm.
    var idle: [PostgresConnection] = []
    var waiters = Queue<PoolWaiter>()
    /// Connections that are wanted beyond those that somebody queues for.
    var demanded = 0
    /// The attempts to connect that are under way, by number; cancelled when the pool closes.
    var attempts: [Int: Task<Void, Never>] = [:]
    var lastAttempt = 0
    var connectingCount: Int { attempts.count }
    /// Failed attempts since the last one that succeeded.
    public internal(set) var failuresInARow = 0
    /// Runs while a failed attempt is not to be repeated yet.
    var backoffTimer: LoopTimer?
    /// Whether the attempt under way came before its time, which its failure does not make longer.
    var isFiredNow = false
    var sweepTimer: LoopTimer?
    var isClosed = false
    var closeWaiters: [CheckedContinuation<Void, Never>] = []

    /// Makes a pool, which connects nothing before it is asked or told to.
    ///
    /// - Parameter prepare: run on each new connection; if it throws, the connection is discarded,
    ///   and the next server of the connection string is tried. If none is left the attempt has failed.
    public init(
        options: ConnectionOptions, configuration: PoolConfiguration,
        prepare: @escaping Preparation = { _ in }
    ) {
        self.options = options
        self.configuration = configuration
        self.prepare = prepare
    }

    /// Makes a pool and begins to open `minimumIdle` connections, with the other values' defaults.
    public convenience init(
        options: ConnectionOptions, size: Int, minimumIdle: Int, connectTimeout: Duration,
        prepare: @escaping Preparation
    ) {
        self.init(
            options: options,
            configuration: PoolConfiguration(
                size: size, minimumIdle: minimumIdle, connectTimeout: connectTimeout),
            prepare: prepare)
        start()
    }

    /// Opens `minimumIdle` connections in the background.
    public func start() {
        grow()
    }

    /// Connections that can be taken now.
    public var idleCount: Int { idle.count }

    /// Connections that are open, lent out or idle.
    public var connectedCount: Int { members.count }

    /// Who is queued by ``acquire(timeout:)``.
    public var waitingCount: Int { waiters.count }

    /// Whether the last attempt failed and no connection is left.
    public var isFailing: Bool { lastFailure != nil && members.isEmpty }

    /// Whether an attempt to connect is under way.
    public var isConnecting: Bool { connectingCount > 0 }

    /// Says that this many connections, not counting those idle, are wanted now.
    ///
    /// The want stands until so many connections have become idle; repeating it does not add up.
    public func demand(_ count: Int) {
        demanded = min(max(demanded, count), configuration.size)
        grow()
    }

    /// Takes an idle connection, if there is one and nobody queues for it.
    public func takeIdle() -> PostgresConnection? {
        guard waiters.isEmpty, let connection = idle.popLast() else { return nil }
        grow()
        return connection
    }

    /// Gives a connection back.
    ///
    /// One that is closed, too old, in a transaction or not done with its commands is closed
    /// instead, since nobody could take it for fresh.
    public func giveBack(_ connection: PostgresConnection) {
        guard let member = members[ObjectIdentifier(connection)] else {
            return connection.close()
        }
        let isTooOld = configuration.maximumAge.map { member.born.duration(to: .now) >= $0 }
        if isClosed || isTooOld == true || connection.transactionStatus != .idle {
            discard(connection)
        } else {
            becameIdle(connection)
        }
    }

    /// Closes a connection that is not to be used again; it is replaced if there is a want.
    public func discard(_ connection: PostgresConnection) {
        // The pool hears of its end, as of any other.
        connection.close()
    }

    /// Takes a connection, in the order of asking.
    ///
    /// Throws, when the time is up, why connecting failed if the pool ``isFailing``, else
    /// `poolExhausted`; and `closed` if the pool is. Cancelling the task does not end the wait early.
    ///
    /// - Parameter isHasty: an attempt that was put off after a failure is made now, and if it fails
    ///   the wait is over.
    public func acquire(
        timeout: Duration, isHasty: Bool = false
    ) async throws(PostgresError) -> PostgresConnection {
        if isClosed { throw .closed }
        if let connection = takeIdle() { return connection }
        let outcome = await withCheckedContinuation {
            (continuation: CheckedContinuation<PoolWaiter.Outcome, Never>) in
            // Between the look above and this one others may have had their turn: a task that does
            // not prefer the loop is enqueued anew at every await.
            if isClosed { return continuation.resume(returning: .failure(.closed)) }
            if let connection = takeIdle() {
                return continuation.resume(returning: .success(connection))
            }
            let waiter = PoolWaiter(continuation, isHasty: isHasty)
            waiter.timer = EventLoop.shared.schedule(after: timeout) { [weak self] in
                guard let self else { return waiter.finish(.failure(.closed)) }
                self.waiters.removeAll { $0 === waiter }
                waiter.finish(.failure(self.reasonForNone))
            }
            waiters.append(waiter)
            if isHasty, let backoffTimer {
                backoffTimer.cancel()
                self.backoffTimer = nil
                isFiredNow = true
            }
            grow()
        }
        return try outcome.get()
    }

    /// Runs a body with a connection, which is given back afterwards.
    public func withConnection<Result: Sendable>(
        timeout: Duration, isHasty: Bool = false,
        _ body: @LoopActor (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await acquire(timeout: timeout, isHasty: isHasty)
        defer { giveBack(connection) }
        return try await body(connection)
    }

    /// Closes what is idle, and what is lent as soon as it is given back, and gives up what is being
    /// connected; returns when all is gone.
    ///
    /// Who queues gets `closed`.
    ///
    /// - Parameter cutsLent: what is lent is closed at once, under the hands of whoever has it.
    public func close(cutsLent: Bool = false) async {
        isClosed = true
        backoffTimer?.cancel()
        sweepTimer?.cancel()
        for attempt in attempts.values { attempt.cancel() }
        for waiter in waiters.removeAll() { waiter.finish(.failure(.closed)) }
        for connection in cutsLent ? members.values.map(\.connection) : idle { connection.close() }
        await withCheckedContinuation {
            closeWaiters.append($0)
            endClosingIfDone()
        }
    }

    var reasonForNone: PostgresError {
        guard isFailing, let lastFailure else { return .poolExhausted }
        return (lastFailure.error as? PostgresError) ?? .unreachable("\(lastFailure.error)")
    }
}
