package import EventLoop
import Glibc
package import TransactionEngine

/// The engine's clock, on a loop's timers.
package struct LoopClock: EngineClock {
    private let loop: EventLoop

    /// Makes a clock.
    package init(_ loop: EventLoop) {
        self.loop = loop
    }

    /// Microseconds of the monotonic clock.
    package var microseconds: Int64 { Self.microseconds(of: CLOCK_MONOTONIC) }

    /// Microseconds since 1970.
    package var wallTime: Timestamp { Self.microseconds(of: CLOCK_REALTIME) }

    private static func microseconds(of clock: clockid_t) -> Int64 {
        var now = timespec()
        clock_gettime(clock, &now)
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
