import EventLoop

/// Someone who waits for a connection, until a time.
@LoopActor
final class PoolWaiter {
    typealias Outcome = Result<PostgresConnection, PostgresError>

    private var continuation: CheckedContinuation<Outcome, Never>?
    var timer: LoopTimer?

    init(_ continuation: CheckedContinuation<Outcome, Never>) {
        self.continuation = continuation
    }

    func finish(_ outcome: Outcome) {
        timer?.cancel()
        timer = nil
        continuation?.resume(returning: outcome)
        continuation = nil
    }
}
