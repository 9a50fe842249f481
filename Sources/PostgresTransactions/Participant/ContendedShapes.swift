import EventLoop
import TransactionEngine

/// Remembers the shapes of branches that waited for the locks of other transactions lately.
///
/// A shape is remembered for a while after it was last seen waiting. Forgotten too early, it costs one
/// deadlock: some 20 to 40 ms until it is found and its victim runs again, in which the shape is seen
/// again. Remembered too long, it costs each of its transactions a round trip for every branch but the
/// first, and a smaller share of the sessions. So the first memory lasts 5 s, and a deadlock after it wastes
/// less than a hundredth of the time. Transactions that work in one order may wait so briefly that nobody
/// sees them wait; a shape that is seen again soon after it was forgotten is one of those, and is
/// remembered twice as long, up to a minute.
///
/// `Participants.workOrder` is not isolated to the loop, so a lock protects the table.
final class ContendedShapes: Sendable {
    /// How long a shape is remembered at first, and at most.
    static let memoryMin = Duration.seconds(5)
    static let memoryMax = Duration.seconds(60)

    private struct Key: Hashable {
        let participant: String
        let shape: Int
    }

    private struct Entry {
        /// When the shape was last seen waiting.
        var seen: ContinuousClock.Instant
        var memory: Duration

        func isContended(at now: ContinuousClock.Instant) -> Bool { seen + memory > now }

        /// Whether nothing is known of it any more, not even how long it was remembered.
        func isOver(at now: ContinuousClock.Instant) -> Bool { seen + memory * 2 <= now }
    }

    private struct Table {
        var entries: [Key: Entry] = [:]
        /// No entry is over later than this.
        var end: ContinuousClock.Instant?
    }

    private let table = Lock(Table())
    private let countMax: Int
    private let now: @Sendable () -> ContinuousClock.Instant

    /// Makes an empty table for so many shapes: callers who write values into their SQL make a new shape
    /// with every request.
    init(countMax: Int = 1024, now: @escaping @Sendable () -> ContinuousClock.Instant) {
        self.countMax = countMax
        self.now = now
    }

    /// Notes that a branch of this shape waits for another transaction's lock; returns whether that makes
    /// the shape contended, which it was not before.
    ///
    /// All closures have the shape 0, which says nothing about what one of them locks: it is never
    /// contended, or one hot row would hold back everything that a program does.
    func note(_ shape: Int, in participant: String) -> Bool {
        guard shape != 0 else { return false }
        let (now, key) = (now(), Key(participant: participant, shape: shape))
        return table.withLock { table in
            let earlier = table.entries[key].flatMap { $0.isOver(at: now) ? nil : $0 }
            let wasContended = earlier?.isContended(at: now) ?? false
            var entry = Entry(seen: now, memory: earlier?.memory ?? Self.memoryMin)
            if earlier != nil, !wasContended {
                entry.memory = min(entry.memory * 2, Self.memoryMax)
            }
            if table.entries[key] == nil, table.entries.count >= countMax {
                Self.makeRoom(&table.entries, at: now)
            }
            table.entries[key] = entry
            let end = now + entry.memory * 2
            table.end = max(table.end ?? end, end)
            return !wasContended
        }
    }

    /// Whether a branch of any of these requests has a contended shape.
    ///
    /// It runs for every transaction, so it reads no clock while the table is empty.
    func containsAny(of requests: [SessionRequest]) -> Bool {
        table.withLock { table in
            guard let end = table.end else { return false }
            let now = now()
            guard now < end else {
                table = Table()
                return false
            }
            return requests.contains { request in
                request.shape != 0
                    && table.entries[Key(participant: request.participant, shape: request.shape)]?
                        .isContended(at: now) ?? false
            }
        }
    }

    /// How many shapes are in the table.
    var count: Int { table.withLock { $0.entries.count } }

    /// Removes what is over, or else what was seen waiting the longest time ago.
    private static func makeRoom(
        _ entries: inout [Key: Entry], at now: ContinuousClock.Instant
    ) {
        let before = entries.count
        entries = entries.filter { !$0.value.isOver(at: now) }
        guard entries.count == before,
            let oldest = entries.min(by: { $0.value.seen < $1.value.seen })
        else { return }
        entries[oldest.key] = nil
    }
}
