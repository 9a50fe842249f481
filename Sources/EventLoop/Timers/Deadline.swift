/// A point in time of the loop's own clock, for what is compared more often than it is waited for.
package struct Deadline: Comparable, Sendable {
    /// Later than every other one.
    package static let never = Deadline(nanoseconds: .max)

    /// Nanoseconds of the monotonic clock.
    let nanoseconds: UInt64

    private init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// The point in time a delay after `now`; ``never`` if there is no such number.
    init(_ now: UInt64, plus delay: Duration) {
        let (sum, overflow) = now.addingReportingOverflow(delay.nanosecondsClamped)
        nanoseconds = overflow ? .max : sum
    }

    package static func < (left: Deadline, right: Deadline) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}

extension EventLoop {
    /// The point in time after a delay.
    package func deadline(after delay: Duration) -> Deadline {
        Deadline(Self.now, plus: delay)
    }

    /// Whether a point in time is reached.
    package func hasReached(_ deadline: Deadline) -> Bool { Self.now >= deadline.nanoseconds }

    /// Runs a body at a point in time, on the loop; see ``schedule(after:_:)``.
    @LoopActor
    package func schedule(
        at deadline: Deadline, _ body: @escaping @LoopActor @Sendable () -> Void
    ) -> LoopTimer {
        timers.schedule(at: deadline, body)
    }
}
