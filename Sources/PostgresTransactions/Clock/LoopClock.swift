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
        after delay: Duration, _ body: @escaping @Sendable () -> Void
    ) -> any ScheduledTimer {
        let timer = Timer(loop)
        timer.onLoop { timer.start(after: delay, body) }
        return timer
    }

    /// A timer of the loop that may be cancelled from any thread.
    private final class Timer: ScheduledTimer {
        private enum State {
            case new
            case scheduled(LoopTimer)
            case cancelled
        }

        private let loop: EventLoop
        private let state = Lock(State.new)

        init(_ loop: EventLoop) { self.loop = loop }

        func onLoop(_ body: @escaping @LoopActor @Sendable () -> Void) {
            if loop.isOnLoop { LoopActor.assumeIsolated(body) } else { loop.execute(body) }
        }

        @LoopActor
        func start(after delay: Duration, _ body: @escaping @Sendable () -> Void) {
            state.withLock { state in
                guard case .new = state else { return }
                state = .scheduled(loop.schedule(after: delay) { body() })
            }
        }

        func cancel() {
            let scheduled: LoopTimer? = state.withLock { state in
                defer { state = .cancelled }
                return if case .scheduled(let timer) = state { timer } else { nil }
            }
            guard let scheduled else { return }
            onLoop { scheduled.cancel() }
        }
    }
}
