public import EventLoop

/// Connections to one server: opened in the background as they are wanted, lent one at a time.
@LoopActor
public final class ConnectionPool {
    private let options: ConnectionOptions
    private let size: Int
    private let minimumIdle: Int
    private let connectTimeout: Duration
    private let prepare: @LoopActor (PostgresConnection) async throws -> Void
    private var idle: [PostgresConnection] = []
    private var lent: Set<ObjectIdentifier> = []
    private var connecting = 0
    private var failures = 0
    private var retryTimer: LoopTimer?
    private var waiters: [Waiter] = []
    private var tickets = 0
    private var isClosed = false

    private struct Waiter {
        let ticket: Int
        let reply: CheckedContinuation<PostgresConnection?, Never>
        let timer: LoopTimer
    }

    /// Called when a connection has become idle.
    public var onIdle: (@LoopActor () -> Void)?
    /// Called when a connection could not be made.
    public var onFailure: (@LoopActor () -> Void)?
    /// The last failure to connect, until one succeeds.
    public private(set) var lastFailure: (error: any Error, count: Int)?

    /// Makes a pool and begins to connect.
    ///
    /// `prepare` runs on each new connection before it is used; if it throws, the connection is
    /// thrown away.
    public init(
        options: ConnectionOptions, size: Int, minimumIdle: Int, connectTimeout: Duration,
        prepare: @escaping @LoopActor (PostgresConnection) async throws -> Void
    ) {
        precondition(size > 0 && minimumIdle <= size, "a pool holds one connection at least")
        self.options = options
        self.size = size
        self.minimumIdle = minimumIdle
        self.connectTimeout = connectTimeout
        self.prepare = prepare
        grow(to: minimumIdle)
    }

    /// Connections that are free.
    public var idleCount: Int { idle.count }
    /// Connections that are open, free or lent.
    public var connectedCount: Int { idle.count + lent.count }
    /// Whether the last attempt failed and none is open.
    public var isFailing: Bool { failures > 0 && connectedCount == 0 }

    /// Takes a free connection; the one used last, for its caches are warm.
    public func takeIdle() -> PostgresConnection? {
        while let connection = idle.popLast() {
            if connection.isOpen {
                lent.insert(ObjectIdentifier(connection))
                return connection
            }
        }
        return nil
    }

    /// Gives a lent connection back.
    public func giveBack(_ connection: PostgresConnection) {
        guard lent.remove(ObjectIdentifier(connection)) != nil else { return }
        guard connection.isOpen, !isClosed else {
            connection.close()
            return replaceLost()
        }
        add(connection)
    }

    /// Closes a lent connection that is not to be used again.
    public func discard(_ connection: PostgresConnection) {
        guard lent.remove(ObjectIdentifier(connection)) != nil else { return }
        connection.close()
        replaceLost()
    }

    /// Says that so many free connections are wanted now.
    public func demand(_ count: Int) {
        grow(to: connectedCount - idle.count + max(count, minimumIdle))
    }

    /// Waits for a free connection, first come first served.
    public func acquire(timeout: Duration) async throws(PostgresError) -> PostgresConnection {
        guard !isClosed else { throw .closed }
        if waiters.isEmpty, let connection = takeIdle() { return connection }
        if isFailing, let error = lastFailure?.error as? PostgresError, waiters.count >= size {
            throw error
        }
        let connection = await withCheckedContinuation { reply in
            tickets += 1
            let ticket = tickets
            let timer = EventLoop.shared.schedule(after: timeout) { [weak self] in
                guard let self,
                    let index = self.waiters.firstIndex(where: { $0.ticket == ticket })
                else { return }
                self.waiters.remove(at: index).reply.resume(returning: nil)
            }
            waiters.append(Waiter(ticket: ticket, reply: reply, timer: timer))
            demand(waiters.count)
        }
        if let connection { return connection }
        if let error = lastFailure?.error {
            throw error as? PostgresError ?? .unreachable("\(error)")
        }
        throw .poolExhausted
    }

    /// Lends a connection to a closure.
    ///
    /// It is thrown away if the closure leaves a transaction open.
    public func withConnection<Result>(
        timeout: Duration, _ body: @LoopActor (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let connection = try await acquire(timeout: timeout)
        defer {
            if connection.isInTransaction { discard(connection) } else { giveBack(connection) }
        }
        return try await body(connection)
    }

    /// Closes every free connection and refuses new callers; lent ones close as they come back.
    public func close() async {
        isClosed = true
        retryTimer?.cancel()
        for connection in idle { connection.close() }
        idle = []
        for waiter in waiters {
            waiter.timer.cancel()
            waiter.reply.resume(returning: nil)
        }
        waiters = []
    }

    private func add(_ connection: PostgresConnection) {
        if !waiters.isEmpty {
            let waiter = waiters.removeFirst()
            waiter.timer.cancel()
            lent.insert(ObjectIdentifier(connection))
            waiter.reply.resume(returning: connection)
            return
        }
        idle.append(connection)
        onIdle?()
    }

    private func grow(to wanted: Int) {
        guard !isClosed, failures == 0 || connecting == 0 else { return }
        if failures > 0, retryTimer?.isPending == true { return }
        while connectedCount + connecting < min(size, wanted) {
            connecting += 1
            Task { await open() }
        }
    }

    private func open() async {
        var opened: PostgresConnection?
        do {
            let connection = try await PostgresConnection.connect(
                options, timeout: connectTimeout)
            opened = connection
            let id = ObjectIdentifier(connection)
            try await prepare(connection)
            let prepared = connection.onClose
            connection.onClose = { [weak self] error in
                prepared?(error)
                self?.lost(id)
            }
            connecting -= 1
            failures = 0
            lastFailure = nil
            guard !isClosed, connection.isOpen else { return connection.close() }
            add(connection)
        } catch {
            opened?.close()
            connecting -= 1
            failures += 1
            lastFailure = (error, failures)
            retryLater()
            onFailure?()
        }
    }

    /// A connection that ends while it is free is replaced; a lent one is seen at its return.
    private func lost(_ id: ObjectIdentifier) {
        guard let index = idle.firstIndex(where: { ObjectIdentifier($0) == id }) else { return }
        idle.remove(at: index)
        replaceLost()
    }

    private func replaceLost() {
        grow(to: max(minimumIdle, lent.count + min(waiters.count, size)))
    }

    /// 100 ms, doubling, at most 5 s, with a quarter of jitter.
    private func retryLater() {
        guard !isClosed, retryTimer?.isPending != true else { return }
        let base = min(5000, 100 << min(failures - 1, 6))
        let delay = base - Int.random(in: 0...(base / 4))
        retryTimer = EventLoop.shared.schedule(after: .milliseconds(delay)) { [weak self] in
            guard let self else { return }
            self.retryTimer = nil
            guard self.connecting == 0 else { return }
            // One attempt finds out; it brings the others when it succeeds.
            if self.connectedCount < max(self.minimumIdle, 1) {
                self.connecting += 1
                Task {
                    await self.open()
                    self.replaceLost()
                }
            }
        }
    }
}
