package import EventLoop

/// The connections of a pool, each lent to several users at once, whose commands are pipelined.
///
/// It is for commands that are transactions by themselves and come in bursts: few connections then do
/// the work of many, and the server is not idle between two commands. While a call queues for the pool
/// itself, connections drain and go back, so that no call starves.
@LoopActor
package final class SharedConnections {
    /// One user's part of a connection.
    package struct Share: Sendable {
        /// The connection, on which others' commands may be under way.
        package let connection: PostgresConnection
    }

    private let pool: ConnectionPool
    /// The most users of one connection at once; further ones wait.
    private let usersMax: Int
    /// The connections that are lent.
    private var lent: [PostgresConnection] = []
    private var waiters = Queue<Waiter<Share>>()
    private var isServing = false

    /// Shares the connections of a pool, and takes its `onIdle` and `onFailure`.
    package init(_ pool: ConnectionPool, usersMax: Int = 16) {
        self.pool = pool
        self.usersMax = usersMax
        pool.onIdle = { [weak self] in self?.serve() }
        pool.onFailure = { [weak self] in self?.failIfHopeless() }
    }

    /// How many calls wait for a connection.
    package var waitingCount: Int { waiters.count }

    /// Runs a body with a connection that others may be using as well.
    ///
    /// The body must leave no transaction open and change nothing of the session. Throws, when the
    /// time is up or the pool is failing, why there is no connection.
    package func withConnection<Result: Sendable>(
        timeout: Duration, _ body: @LoopActor (PostgresConnection) async throws -> Result
    ) async throws -> Result {
        let share = try await withCheckedContinuation {
            (continuation: CheckedContinuation<Waiter<Share>.Outcome, Never>) in
            acquire(timeout: timeout) { continuation.resume(returning: $0) }
        }.get()
        defer { release(share) }
        return try await body(share.connection)
    }

    /// Takes a share of a connection, which the caller releases in the end (``release(_:)``).
    ///
    /// The completion is called once, on the loop; before this function returns if there is a share.
    /// The user must leave no transaction open and change nothing of the session. Fails, when the time is
    /// up or the pool is failing, with why there is no connection.
    package func acquire(
        timeout: Duration,
        then completion: @escaping @LoopActor (Result<Share, PostgresError>) -> Void
    ) {
        if waiters.isEmpty, let share = take() { return completion(.success(share)) }
        let waiter = Waiter(completion)
        waiter.timer = pool.loop.schedule(after: timeout) { [weak self] in
            self?.waiters.removeAll { $0 === waiter }
            waiter.finish(.failure(self?.pool.reasonForNone ?? .closed))
        }
        waiters.append(waiter)
        pool.demand(waiters.count)
    }

    /// An idle connection, else the one with the fewest users.
    private func take() -> Share? {
        if let connection = pool.takeIdle() {
            connection.userCount = 1
            lent.append(connection)
            return Share(connection: connection)
        }
        // A call that queues for the pool needs a connection to itself, and gets the next drained one.
        guard pool.waitingCount == 0 else { return nil }
        var best: PostgresConnection?
        for connection in lent where connection.isOpen && connection.userCount < usersMax {
            if connection.userCount < best?.userCount ?? .max { best = connection }
        }
        guard let best else { return nil }
        best.userCount += 1
        return Share(connection: best)
    }

    /// Ends the use of a share, once; the connection goes back to the pool with its last user.
    package func release(_ share: Share) {
        let connection = share.connection
        connection.userCount -= 1
        if connection.userCount == 0 {
            // No closure, whose executor would be checked for each connection.
            for index in lent.indices where lent[index] === connection {
                lent.remove(at: index)
                break
            }
            // Goes to a call that queues for the pool, or comes back through `onIdle`.
            pool.giveBack(connection)
        }
        serve()
    }

    private func serve() {
        // A completion that releases its share at once comes back here; the loop below goes on with it,
        // so the stack does not grow with the waiters.
        guard !isServing else { return }
        isServing = true
        defer { isServing = false }
        while !waiters.isEmpty, let share = take() {
            waiters.popFirst()?.finish(.success(share))
        }
    }

    /// Ends the waits at once if no connection is left and connecting fails.
    private func failIfHopeless() {
        guard pool.isFailing else { return }
        for waiter in waiters.removeAll() { waiter.finish(.failure(pool.reasonForNone)) }
    }
}
