import EventLoop

/// So many tasks that run one transaction after the other, for a time.
struct Load: Sendable {
    let inFlight: Int
    let seconds: Int
    /// INSERTs in each of the two databases.
    let statements: Int

    /// The ids of a transaction's rows.
    func ids(_ number: Int) -> Range<Int> { number * statements..<(number + 1) * statements }

    struct Count: Sendable {
        let perSecond: Double
        /// How many transactions ran, measured or not.
        let used: Int
    }

    /// Runs transactions; each gets a number of its own, above the one given.
    func run(
        from first: Int, _ transaction: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> Count {
        let numbers = Lock(first)
        let clock = ContinuousClock()
        // Warm: connections, prepared statements, plans.
        let begin = clock.now + .seconds(1)
        let end = begin + .seconds(seconds)
        let counted = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<inFlight {
                group.addTask {
                    var counted = 0
                    while true {
                        let number = numbers.withLock { number in
                            number += 1
                            return number
                        }
                        try await transaction(number)
                        let now = clock.now
                        if now >= end { return counted }
                        if now >= begin { counted += 1 }
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        return Count(
            perSecond: Double(counted) / Double(seconds),
            used: numbers.withLock { $0 } - first)
    }
}
