import EventLoop

/// A call that waits for a value, until its time is up.
@LoopActor
final class Waiter<Value> {
    typealias Outcome = Result<Value, PostgresError>

    private var completion: (@LoopActor (Outcome) -> Void)?
    var timer: LoopTimer?

    init(_ completion: @escaping @LoopActor (Outcome) -> Void) {
        self.completion = completion
    }

    /// Ends the wait, unless it has ended.
    func finish(_ outcome: Outcome) {
        timer?.cancel()
        timer = nil
        guard let completion else { return }
        self.completion = nil
        completion(outcome)
    }
}
