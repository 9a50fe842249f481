package import EventLoop
import Glibc
package import TransactionEngine

/// The engine's clock, on a loop's timers.
package struct LoopClock: EngineClock {
    private let loop: EventLoop
    private let start: ContinuousClock.Instant

    /// Makes a clock whose milliseconds count from now.
    package init(_ loop: EventLoop) {
        self.loop = loop
        start = loop.now
    }

    /// Milliseconds of a monotonic clock since this clock was made.
    package var milliseconds: Int64 { (loop.now - start).wholeMilliseconds }

    /// Microseconds since 1970.
    package var wallTime: Timestamp {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }

    /// Runs the body on the loop after the delay.
    package func schedule(
        after delay: Duration, _ body: @escaping @LoopActor () -> Void
    ) -> any ScheduledTimer {
        loop.schedule(after: delay, body)
    }
}

extension LoopTimer: ScheduledTimer {}
