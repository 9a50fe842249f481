import EventLoop

/// So many tasks that run one transaction after the other, for a time.
struct Load: Sendable {
    let inFlight: Int
    let seconds: Int
    /// The number of the first transaction; each gets one of its own.
    let first: Int

    struct Count: Sendable {
        let perSecond: Double
        let last: Int
    }

    func run(_ transaction: @escaping @Sendable (Int) async throws -> Void) async throws -> Count {
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
            perSecond: Double(counted) / Double(seconds), last: numbers.withLock { $0 })
    }
}
