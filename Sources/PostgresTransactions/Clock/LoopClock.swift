import EventLoop
import Glibc
public import TransactionEngine

/// The engine's clock: the loop's timers.
public struct LoopClock: EngineClock {
    private static let start = ContinuousClock.now

    /// The clock of the one loop.
    public init() {}

    /// Monotonic milliseconds since the clock's first use.
    public var milliseconds: Int64 {
        let elapsed = ContinuousClock.now - Self.start
        return elapsed.components.seconds * 1000
            + elapsed.components.attoseconds / 1_000_000_000_000_000
    }

    /// Microseconds since 1970.
    public var wallTime: Timestamp {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }

    /// Runs the body on the loop after the delay.
    public func schedule(
        after delay: Duration, _ body: @escaping @Sendable () -> Void
    ) -> any ScheduledTimer {
        let timer = Armed()
        if EventLoop.shared.isOnLoop {
            LoopActor.assumeIsolated { timer.arm(delay, body) }
        } else {
            Task { @LoopActor in timer.arm(delay, body) }
        }
        return timer
    }

    /// A timer of the loop that may be called off from anywhere.
    private final class Armed: ScheduledTimer {
        private let state = Lock<LoopTimer?>(nil)
        private let isOff = Lock(false)

        @LoopActor
        func arm(_ delay: Duration, _ body: @escaping @Sendable () -> Void) {
            guard !isOff.withLock({ $0 }) else { return }
            let timer = EventLoop.shared.schedule(after: delay) { body() }
            state.withLock { $0 = timer }
        }

        func cancel() {
            isOff.withLock { $0 = true }
            if EventLoop.shared.isOnLoop {
                LoopActor.assumeIsolated { off() }
            } else {
                Task { @LoopActor in off() }
            }
        }

        @LoopActor
        private func off() {
            state.withLock { timer in
                timer?.cancel()
                timer = nil
            }
        }
    }
}
