import EventLoop

/// Tasks that wait for an event about a key, each no longer than it wants to.
///
/// A wake-up proves nothing: each task looks again at what it waits for, and at its own clock.
@LoopActor
final class WaitList<Key: Hashable & Sendable> {
    private let clock: any EngineClock
    private var waiting: [Key: [Int: CheckedContinuation<Void, Never>]] = [:]
    private var lastNumber = 0

    init(_ clock: any EngineClock) {
        self.clock = clock
    }

    /// Waits for the next wake-up of the key, at most for `limit`; not at all if `isOver`.
    ///
    /// `isOver` is evaluated where the wait begins. A task that does not prefer the loop is enqueued
    /// anew before that, and what it waits for may happen in between.
    func wait(
        for key: Key, within limit: Duration, unless isOver: @LoopActor () -> Bool = { false }
    ) async {
        lastNumber += 1
        let number = lastNumber
        var timer: (any ScheduledTimer)?
        await withCheckedContinuation { continuation in
            guard !isOver() else { return continuation.resume() }
            waiting[key, default: [:]][number] = continuation
            // Only now: a timer that fired before would find nothing to wake.
            timer = clock.schedule(after: limit) { [weak self] in self?.wake(key, number) }
        }
        timer?.cancel()
    }

    private func wake(_ key: Key, _ number: Int) {
        waiting[key]?.removeValue(forKey: number)?.resume()
        if waiting[key]?.isEmpty == true { waiting[key] = nil }
    }

    /// Wakes the tasks that wait for the key.
    func wake(_ key: Key) {
        for continuation in (waiting.removeValue(forKey: key) ?? [:]).values {
            continuation.resume()
        }
    }

    /// Wakes every task.
    func wakeAll() {
        for key in Array(waiting.keys) { wake(key) }
    }
}
