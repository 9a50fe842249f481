import EventLoop

/// A call that waits for a connection, until its time is up.
@LoopActor
final class PoolWaiter {
    typealias Outcome = Result<PostgresConnection, PostgresError>

    private var continuation: CheckedContinuation<Outcome, Never>?
    var timer: LoopTimer?
    /// Whether the next attempt that fails ends the wait.
    let isHasty: Bool

    init(_ continuation: CheckedContinuation<Outcome, Never>, isHasty: Bool = false) {
        self.continuation = continuation
        self.isHasty = isHasty
    }

    func finish(_ outcome: Outcome) {
        timer?.cancel()
        timer = nil
        continuation?.resume(returning: outcome)
        continuation = nil
    }
}
