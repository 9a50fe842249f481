/// What is counted of a world.
struct LockFigures: Sendable {
    var victimCount = 0
    /// Victims that were on no cycle.
    var wrongVictimCount = 0
    var commitCount = 0
    var failureCount = 0
    /// From the request to the answer.
    var latencies: [Int64] = []
    /// The longest wait for one lock.
    var longestWait: Int64 = 0

    mutating func answered(_ request: LockRequest, committed: Bool, at now: Int64) {
        if committed { commitCount += 1 } else { failureCount += 1 }
        latencies.append(now - request.began)
    }

    mutating func waited(_ time: Int64) { longestWait = max(longestWait, time) }
}
