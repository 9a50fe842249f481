package import EventLoop

/// What a pool notes about one of its connections, with the connection.
struct PoolMembership {
    unowned let pool: ConnectionPool
    let born: ContinuousClock.Instant
    /// Since when it has been idle; of use to a pool that closes idle connections.
    var idleSince: ContinuousClock.Instant
}

/// Connections to one server that are opened in the background and lent out.
///
/// A pool connects only in the background: a caller that finds no idle connection demands some
/// (``demand(_:)``), or queues (``acquire(timeout:isHasty:)``). After a failure the pool makes one attempt
/// at a time, at growing intervals, as long as connections are needed.
@LoopActor
package final class ConnectionPool {
    /// A failed attempt to connect, or to prepare a connection.
    package struct Failure: Sendable {
        /// What went wrong.
        package var error: any Error
        /// When.
        package var at: ContinuousClock.Instant
    }

    /// Runs on every new connection before its first use.
    package typealias Preparation = PostgresConnection.Preparation

    /// The size and the times.
    package let configuration: PoolConfiguration
    let options: ConnectionOptions
    let loop: EventLoop
    var generator: any RandomNumberGenerator & Sendable
    let prepare: Preparation
    let observer: (any ConnectionPoolObserver)?

    /// Called whenever a connection has become idle and no call queues for it.
    package var onIdle: (@LoopActor () -> Void)?
    /// Called after every failed attempt; ``lastFailure`` says why it failed.
    package var onFailure: (@LoopActor () -> Void)?
    /// The last failed attempt; nil once an attempt has succeeded.
    package internal(set) var lastFailure: Failure?

    /// Everything connected and prepared, lent out or not.
    var members: [ObjectIdentifier: PostgresConnection] = [:]
    /// The idle ones.
    ///
    /// The last is lent first: its statements are prepared and its caches warm.
    var idle: [PostgresConnection] = []
    var waiters = Queue<
        (waiter: Waiter<PostgresConnection>, isHasty: Bool, since: ContinuousClock.Instant)
    >()
    /// Connections that are needed besides those that calls queue for.
    var demanded = 0
    /// The attempts to connect that are under way, by number; cancelled when the pool closes.
    var attempts: [Int: Task<Void, Never>] = [:]
    var lastAttempt = 0
    var connectingCount: Int { attempts.count }
    /// Failed attempts since the last one that succeeded.
    package internal(set) var failuresInARow = 0
    /// Runs until a failed attempt may be repeated.
    var backoffTimer: LoopTimer?
    /// Whether a hasty call started the attempt under way before the interval was over; its failure does
    /// not lengthen the interval.
    var isFiredNow = false
    var sweepTimer: LoopTimer?
    var isClosed = false
    var closeWaiters: [CheckedContinuation<Void, Never>] = []

    /// Makes a pool, which connects only when connections are demanded or ``start()`` is called.
    ///
    /// - Parameters:
    ///   - generator: draws the interval after a failure.
    ///   - prepare: runs on each new connection; if it throws, the connection is discarded, and the next
    ///     server of the connection string is tried. If none is left the attempt has failed.
    package init(
        options: ConnectionOptions, configuration: PoolConfiguration,
        observer: (any ConnectionPoolObserver)? = nil, loop: EventLoop,
        generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        prepare: @escaping Preparation = { _ in }
    ) {
        self.observer = observer
        self.loop = loop
        self.generator = generator
        self.options = options
        self.configuration = configuration
        self.prepare = prepare
    }

    /// Makes a pool and begins to open `minimumIdle` connections, with the other values' defaults.
    package convenience init(
        options: ConnectionOptions, size: Int, minimumIdle: Int, connectTimeout: Duration,
        loop: EventLoop, prepare: @escaping Preparation
    ) {
        self.init(
            options: options,
            configuration: PoolConfiguration(
                size: size, minimumIdle: minimumIdle, connectTimeout: connectTimeout),
            loop: loop, prepare: prepare)
        start()
    }

    /// Opens `minimumIdle` connections in the background.
    package func start() {
        grow()
    }

    /// Connections that can be taken now.
    package var idleCount: Int { idle.count }

    /// Connections that are open, lent out or idle.
    package var connectedCount: Int { members.count }

    /// The calls that queue in ``acquire(timeout:isHasty:)``.
    package var waitingCount: Int { waiters.count }

    /// Whether the last attempt failed and no connection is left.
    package var isFailing: Bool { lastFailure != nil && members.isEmpty }

    /// Whether an attempt to connect is under way.
    package var isConnecting: Bool { connectingCount > 0 }

    /// Asks for this many connections, not counting the idle ones.
    ///
    /// The demand stands until so many connections have become idle; repeated demands do not add up.
    package func demand(_ count: Int) {
        demanded = min(max(demanded, count), configuration.size)
        grow()
    }

    /// Takes an idle connection, if there is one and no call queues for it.
    package func takeIdle() -> PostgresConnection? {
        guard waiters.isEmpty, let connection = idle.popLast() else { return nil }
        observer?.leaseGiven(after: .zero)
        grow()
        return connection
    }

    /// Gives a connection back.
    ///
    /// One that is closed, too old, in a transaction or not done with its commands is closed instead: the
    /// next user could not rely on it.
    package func giveBack(_ connection: PostgresConnection) {
        observer?.leaseReturned()
        guard let membership = connection.membership, membership.pool === self else {
            return connection.close()
        }
        if isClosed || isTooOld(membership) || connection.transactionStatus != .idle {
            connection.close()
        } else {
            becameIdle(connection)
        }
    }

    /// Whether the time is up that a member may be used.
    func isTooOld(_ membership: PoolMembership) -> Bool {
        guard let maximum = configuration.maximumAge else { return false }
        return membership.born.duration(to: loop.now) >= maximum
    }

    /// Closes a connection that must not be used again; it is replaced if one is needed.
    package func discard(_ connection: PostgresConnection) {
        observer?.leaseReturned()
        // The pool notices its end like any other.
        connection.close()
    }

    /// Takes a connection, in the order of asking, and hands it to a completion, which is called once, on
    /// the loop; before this function returns if there is an idle one.
    ///
    /// Fails, when the time is up, with why connecting failed if the pool ``isFailing``, else with
    /// `poolExhausted`; and with `closed` if the pool is.
    ///
    /// - Parameter isHasty: if the pool waits to repeat a failed attempt, it makes the attempt now, and if
    ///   that fails the wait is over.
    package func acquire(
        timeout: Duration, isHasty: Bool = false,
        then completion: @escaping @LoopActor (Result<PostgresConnection, PostgresError>) -> Void
    ) {
        if isClosed { return completion(.failure(.closed)) }
        if let connection = takeIdle() { return completion(.success(connection)) }
        let waiter = Waiter(completion)
        observer?.leaseQueued()
        waiter.timer = loop.schedule(after: timeout) { [weak self] in
            guard let self else { return waiter.finish(.failure(.closed)) }
            self.waiters.removeAll { $0.waiter === waiter }
            waiter.finish(.failure(self.reasonForNone))
        }
        waiters.append((waiter, isHasty, loop.now))
        if isHasty { attemptNow() }
        grow()
    }

    /// Attempts to connect now, if the pool waits to repeat a failed attempt.
    ///
    /// If it fails, the pool waits as long as it would have before: those who are in a hurry do not make
    /// it wait longer.
    package func attemptNow() {
        guard let backoffTimer else { return }
        backoffTimer.cancel()
        self.backoffTimer = nil
        isFiredNow = true
        grow()
    }

    /// Takes a connection, in the order of asking; see ``acquire(timeout:isHasty:then:)``.
    ///
    /// Cancelling the task does not end the wait early.
    package func acquire(
        timeout: Duration, isHasty: Bool = false
    ) async throws(PostgresError) -> PostgresConnection {
        let outcome = await withCheckedContinuation {
            (continuation: CheckedContinuation<Waiter<PostgresConnection>.Outcome, Never>) in
            acquire(timeout: timeout, isHasty: isHasty) { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

    /// Runs a body with a connection, which is given back afterwards.
    package func withConnection<Result: Sendable>(
        timeout: Duration, isHasty: Bool = false,
        _ body: @LoopActor (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await acquire(timeout: timeout, isHasty: isHasty)
        defer { giveBack(connection) }
        return try await body(connection)
    }

    /// Closes the idle connections, and the lent ones when they are given back, and gives up attempts;
    /// returns when all are gone.
    ///
    /// Calls that queue throw `closed`.
    ///
    /// - Parameter cutsLent: closes lent connections at once, while they are used.
    package func close(cutsLent: Bool = false) async {
        isClosed = true
        backoffTimer?.cancel()
        sweepTimer?.cancel()
        for attempt in attempts.values { attempt.cancel() }
        for (waiter, _, _) in waiters.removeAll() { waiter.finish(.failure(.closed)) }
        for connection in cutsLent ? Array(members.values) : idle { connection.close() }
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
