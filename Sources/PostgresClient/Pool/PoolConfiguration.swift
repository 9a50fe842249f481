/// The size and the times of a pool.
package struct PoolConfiguration: Hashable, Sendable {
    /// Connections there are at most.
    package var size: Int
    /// Idle connections that are kept ready, up to `size`.
    package var minimumIdle: Int
    /// For connecting to all servers of the connection string together, and once more for preparing
    /// what was connected.
    package var connectTimeout: Duration
    /// Idle connections beyond `minimumIdle` are closed after this time; nil: never.
    package let idleTimeout: Duration?
    /// Connections are closed when they are given back, or idle, at this age; nil: never.
    package let maximumAge: Duration?
    /// Prepared statements a connection keeps.
    package var statementsMax: Int
    /// The wait after the first failed connect; it doubles with each further one.
    package var backoffMin: Duration
    /// The wait after many failed connects.
    package var backoffMax: Duration

    /// The shorter one of the times after which connections are closed; nil if none is.
    let shortestTime: Duration?

    /// Makes a configuration.
    package init(
        size: Int, minimumIdle: Int = 0, connectTimeout: Duration = .seconds(5),
        idleTimeout: Duration? = nil, maximumAge: Duration? = nil, statementsMax: Int = 256,
        backoffMin: Duration = .milliseconds(100), backoffMax: Duration = .seconds(5)
    ) {
        precondition(size > 0, "a pool has room for at least one connection")
        precondition(minimumIdle >= 0, "a pool cannot keep fewer than no connections")
        self.size = size
        self.minimumIdle = min(minimumIdle, size)
        self.connectTimeout = connectTimeout
        self.idleTimeout = idleTimeout
        self.maximumAge = maximumAge
        shortestTime = [idleTimeout, maximumAge].compactMap { $0 }.min()
        self.statementsMax = statementsMax
        self.backoffMin = backoffMin
        self.backoffMax = backoffMax
    }

    /// The wait after a number of failures in a row, at least one.
    ///
    /// Between half of it and all of it, so that not all replicas connect at the same time when a server
    /// comes back.
    func backoff(
        after failures: Int, using generator: inout some RandomNumberGenerator
    ) -> Duration {
        let doublings = min(failures - 1, 20)
        let wait = min(backoffMin * (1 << doublings), backoffMax)
        return wait * Double.random(in: 0.5...1, using: &generator)
    }
}
