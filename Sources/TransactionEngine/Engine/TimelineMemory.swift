import CommitProtocol
import EventLoop

/// The timelines of transactions that ended here lately.
///
/// Those that somebody may ask about, because they took long or did not commit at the first attempt,
/// have places of their own: at a thousand transactions a second the others live for a second.
@LoopActor
struct TimelineMemory {
    private var recent: Ring
    private var notable: Ring
    /// A transaction that takes longer is notable.
    private static let usualDuration = Duration.seconds(1)

    /// Makes a memory with so many places in all.
    init(capacity: Int) {
        notable = Ring(capacity: capacity / 2)
        recent = Ring(capacity: capacity - capacity / 2)
    }

    /// Keeps the timeline of a transaction that has ended, with the state that it ended in.
    mutating func insert(_ timeline: TransactionTimeline, _ state: TransactionState) {
        if state == .committed, timeline.isSmooth, timeline.whole < Self.usualDuration {
            recent.insert(timeline)
        } else {
            notable.insert(timeline)
        }
    }

    subscript(id: GlobalTransactionID) -> TransactionTimeline? { notable[id] ?? recent[id] }

    /// The latest few, found by looking at each: that is rare, and so an insertion costs no hashing.
    private struct Ring {
        private var timelines: [TransactionTimeline] = []
        private var next = 0
        private let capacity: Int

        init(capacity: Int) {
            self.capacity = capacity
        }

        mutating func insert(_ timeline: TransactionTimeline) {
            if timelines.count < capacity { return timelines.append(timeline) }
            guard capacity > 0 else { return }
            timelines[next] = timeline
            next = (next + 1) % capacity
        }

        /// The last one of this transaction: one that was taken over again may have two.
        subscript(id: GlobalTransactionID) -> TransactionTimeline? {
            let newestFirst = timelines[..<next].reversed() + timelines[next...].reversed()
            return newestFirst.first { $0.transaction == id }
        }
    }
}
