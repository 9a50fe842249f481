import CLinux

/// The timers of the loop: a binary heap by deadline.
///
/// Nearly every timer guards a query that ends long before, so cancelling must cost next to
/// nothing: a cancelled timer just stays in the heap, and once the cancelled ones outnumber the
/// others, all of them are swept out in one pass. A timer's share of the sweeps is constant.
struct TimerHeap {
    private struct Entry {
        var deadline: UInt64
        /// Breaks ties: first scheduled, first run.
        var sequence: UInt64
        var timer: LoopTimer

        static func < (left: Entry, right: Entry) -> Bool {
            (left.deadline, left.sequence) < (right.deadline, right.sequence)
        }
    }

    /// Below this many cancelled timers a sweep is not worth it.
    private static let sweepThreshold = 64

    private var entries: [Entry] = []
    private var cancelledCount = 0
    private var lastSequence: UInt64 = 0

    /// Entries held, cancelled ones included.
    var count: Int { entries.count }

    @LoopActor
    mutating func schedule(
        after delay: Duration, from now: UInt64,
        _ body: @escaping @LoopActor @Sendable () -> Void
    ) -> LoopTimer {
        schedule(at: Deadline(now, plus: delay), body)
    }

    @LoopActor
    mutating func schedule(
        at deadline: Deadline, _ body: @escaping @LoopActor @Sendable () -> Void
    ) -> LoopTimer {
        lastSequence += 1
        let timer = LoopTimer(deadline: deadline.nanoseconds, body)
        entries.append(Entry(deadline: timer.deadline, sequence: lastSequence, timer: timer))
        siftUp(from: entries.count - 1)
        return timer
    }

    @LoopActor
    mutating func noteCancellation() {
        cancelledCount += 1
        guard cancelledCount > Self.sweepThreshold, cancelledCount * 2 > entries.count
        else { return }
        entries.removeAll { !$0.timer.isPending }
        cancelledCount = 0
        for index in stride(from: entries.count / 2 - 1, through: 0, by: -1) {
            siftDown(from: index)
        }
    }

    /// Takes the first timer out if it is due; cancelled ones on the way are dropped.
    @LoopActor
    mutating func popDue(at now: UInt64) -> LoopTimer? {
        while let first = entries.first, first.deadline <= now {
            removeFirst()
            if first.timer.isPending { return first.timer }
            cancelledCount -= 1
        }
        return nil
    }

    /// The time to the first timer, rounded up so that it is due on waking; -1 without timers.
    func millisecondsUntilNext(from now: UInt64) -> Int32 {
        guard let first = entries.first else { return -1 }
        guard first.deadline > now else { return 0 }
        let milliseconds = (first.deadline - now - 1) / 1_000_000 + 1
        return Int32(clamping: milliseconds)
    }

    private mutating func removeFirst() {
        let last = entries.removeLast()
        guard !entries.isEmpty else { return }
        entries[0] = last
        siftDown(from: 0)
    }

    private mutating func siftUp(from start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard entries[index] < entries[parent] else { return }
            entries.swapAt(index, parent)
            index = parent
        }
    }

    private mutating func siftDown(from start: Int) {
        var index = start
        while true {
            var least = index
            let left = 2 * index + 1
            let right = left + 1
            if left < entries.count, entries[left] < entries[least] { least = left }
            if right < entries.count, entries[right] < entries[least] { least = right }
            guard least != index else { return }
            entries.swapAt(index, least)
            index = least
        }
    }
}

extension EventLoop {
    /// The time, by a clock that goes on while the machine sleeps.
    package var now: ContinuousClock.Instant { .now }

    /// Nanoseconds of the monotonic clock.
    static var now: UInt64 { clinux_monotonic_nanoseconds() }

    /// Runs the timers that are due now; one that they schedule waits for the next round.
    @LoopActor
    func fireTimers() {
        let now = Self.now
        while let timer = timers.popDue(at: now) { timer.fire() }
    }
}

extension Duration {
    /// Whole nanoseconds, at least 0, rounded up; the greatest number for what does not fit.
    var nanosecondsClamped: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return .max }
        let rest = (UInt64(attoseconds) + 999_999_999) / 1_000_000_000
        let (sum, sumOverflow) = whole.addingReportingOverflow(rest)
        return sumOverflow ? .max : sum
    }
}
