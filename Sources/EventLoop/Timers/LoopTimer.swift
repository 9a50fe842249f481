/// A body that the loop will run at a time, unless it is cancelled before.
@LoopActor
package final class LoopTimer {
    /// When it is due, in nanoseconds of the monotonic clock.
    let deadline: UInt64
    private var body: (@LoopActor @Sendable () -> Void)?

    init(deadline: UInt64, _ body: @escaping @LoopActor @Sendable () -> Void) {
        self.deadline = deadline
        self.body = body
    }

    /// Whether the body is still to run.
    package var isPending: Bool { body != nil }

    /// Forgets the body, which then never runs; harmless afterwards.
    package func cancel() {
        guard body != nil else { return }
        body = nil
        EventLoop.shared.timers.noteCancellation()
    }

    /// Runs the body, if it was not cancelled.
    func fire() {
        let body = body
        self.body = nil
        body?()
    }
}

extension EventLoop {
    /// Runs a body after a time, on the loop; never before, and later only if the loop is busy.
    ///
    /// Two timers that are due at the same time run in the order in which they were scheduled.
    @LoopActor
    @discardableResult
    package func schedule(
        after delay: Duration, _ body: @escaping @LoopActor @Sendable () -> Void
    ) -> LoopTimer {
        timers.schedule(after: delay, from: Self.now, body)
    }
}
