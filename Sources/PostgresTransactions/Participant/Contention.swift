import EventLoop
import TransactionEngine

/// Remembers which branches conflicted with other transactions lately.
///
/// It has two uses, each with a table of its own: branches that were seen waiting for a lock, which get a
/// bounded share of the sessions (`SessionReservations`); and branches of transactions that were in a
/// deadlock, which work in an order from then on (`PostgresParticipants.workOrder`).
///
/// A pattern is remembered for a while after it was last seen. Forgotten too early, it is seen again: that
/// costs one generation of sessions that all wait in the first use, and one deadlock in the second, some
/// 20 to 40 ms until it is found and its victim runs again. Remembered too long, it costs its
/// transactions a smaller share of the sessions in the first use, and a round trip for every branch but
/// the first in the second. So the first memory lasts 5 s, and what happens after it wastes less than a
/// hundredth of the time. What is done about a pattern may keep it from being seen; one that is seen
/// again soon after it was forgotten is one of those, and is remembered twice as long, up to a minute.
///
/// `Participants.workOrder` is not isolated to the loop, so a lock protects the table.
final class Contention: Sendable {
    /// How long a pattern is remembered at first, and at most.
    static let memoryMin = Duration.seconds(5)
    static let memoryMax = Duration.seconds(60)

    /// What patterns are found by.
    private struct Key: Hashable {
        let participant: String
        let shape: Int
    }

    private struct Entry {
        let pattern: BranchPattern
        /// When it was last seen.
        var seen: ContinuousClock.Instant
        var memory = Contention.memoryMin

        func isContended(at now: ContinuousClock.Instant) -> Bool { seen + memory > now }

        /// Whether nothing is known of it any more, not even how long it was remembered.
        func isOver(at now: ContinuousClock.Instant) -> Bool { seen + memory * 2 <= now }
    }

    private struct Table {
        var entries: [Key: [Entry]] = [:]
        var count = 0
        /// No entry is over later than this.
        var end: ContinuousClock.Instant?
    }

    private let table = Lock(Table())
    private let countMax: Int
    private let now: @Sendable () -> ContinuousClock.Instant

    /// Makes an empty table for so many patterns: callers who write values into their SQL make a new one
    /// with every request.
    init(countMax: Int = 1024, now: @escaping @Sendable () -> ContinuousClock.Instant) {
        self.countMax = countMax
        self.now = now
    }

    /// Notes that a branch of this pattern waited for another transaction's lock, or was in a deadlock;
    /// returns whether that makes it contended, which it was not before.
    func note(_ pattern: BranchPattern) -> Bool {
        let now = now()
        let key = Key(participant: pattern.participant, shape: pattern.shape)
        return table.withLock { table in
            let place = table.entries[key]?.firstIndex { $0.pattern == pattern }
            var entry = Entry(pattern: pattern, seen: now)
            var wasContended = false
            if let place, let earlier = table.entries[key]?[place], !earlier.isOver(at: now) {
                wasContended = earlier.isContended(at: now)
                entry.memory =
                    wasContended ? earlier.memory : min(earlier.memory * 2, Self.memoryMax)
            }
            if let place {
                table.entries[key]?[place] = entry
            } else {
                if table.count >= countMax { Self.makeRoom(&table, at: now) }
                table.entries[key, default: []].append(entry)
                table.count += 1
            }
            let end = now + entry.memory * 2
            table.end = max(table.end ?? end, end)
            return !wasContended
        }
    }

    /// Whether any of these branches is contended.
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
                let key = Key(participant: request.participant, shape: request.shape)
                return table.entries[key]?.contains {
                    $0.isContended(at: now) && $0.pattern.matches(request)
                } ?? false
            }
        }
    }

    /// How many patterns are in the table.
    var count: Int { table.withLock { $0.count } }

    /// Removes what is over, or else what was seen the longest time ago.
    private static func makeRoom(_ table: inout Table, at now: ContinuousClock.Instant) {
        let oldest = table.entries.values.joined().map(\.seen).min()
        let hasOver = table.entries.values.joined().contains { $0.isOver(at: now) }
        table.entries = table.entries.compactMapValues { entries in
            let kept = entries.filter { hasOver ? !$0.isOver(at: now) : $0.seen != oldest }
            return kept.isEmpty ? nil : kept
        }
        table.count = table.entries.values.reduce(0) { $0 + $1.count }
    }
}
