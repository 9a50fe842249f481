import EventLoop

/// A call that waits for a value, until its time is up.
@LoopActor
final class Waiter<Value: Sendable> {
    typealias Outcome = Result<Value, PostgresError>

    private var continuation: CheckedContinuation<Outcome, Never>?
    var timer: LoopTimer?

    init(_ continuation: CheckedContinuation<Outcome, Never>) {
        self.continuation = continuation
    }

    /// Ends the wait, unless it has ended.
    func finish(_ outcome: Outcome) {
        timer?.cancel()
        timer = nil
        continuation?.resume(returning: outcome)
        continuation = nil
    }
}
