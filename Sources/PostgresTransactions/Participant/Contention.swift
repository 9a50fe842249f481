import EventLoop
import TransactionEngine

/// Remembers which branches conflicted with other transactions lately.
///
/// It has two uses, each with a table of its own: branches that were seen waiting for a lock, which pass a
/// gate if they name a row, and else have a bounded share of the sessions (`SessionReservations`); and
/// branches that were in a deadlock which gates do not prevent, and work in an order from then on
/// (`PostgresParticipants.workOrder`).
///
/// A pattern is remembered for a while after it was last seen. Forgotten too early, it is seen again: that
/// costs one generation of sessions that all wait in the first use, and one deadlock in either, some
/// 20 to 40 ms until it is found and its victim runs again. Remembered too long, it costs its
/// transactions the work side by side in the first use, and a round trip for every branch but
/// the first in the second. So the first memory lasts 5 s, and what happens after it wastes less than a
/// hundredth of the time. What is done about a pattern may keep it from being seen; one that is seen
/// again soon after it was forgotten is one of those, and is remembered twice as long, up to a minute.
///
/// That requests wait at a gate does not renew the memory: they would wait at the gate of a row as well
/// that they could lock together, such as the tenant to which all new rows refer.
@LoopActor
final class Contention {
    /// How long a pattern is remembered at first, and at most.
    nonisolated static let memoryMin = Duration.seconds(5)
    nonisolated static let memoryMax = Duration.seconds(60)

    /// The patterns of one SQL whose values are at the same places: a branch matches one of them at most.
    private struct Kind {
        let participant: String
        let places: [Int]
    }

    private struct Entry {
        /// When it was last seen.
        var seen: ContinuousClock.Instant
        var memory = Contention.memoryMin
        /// The gate of its row; nil if it names none.
        let gate: RowGate?

        func isContended(at now: ContinuousClock.Instant) -> Bool { seen + memory > now }

        /// Whether nothing is known of it any more, not even how long it was remembered.
        func isOver(at now: ContinuousClock.Instant) -> Bool { seen + memory * 2 <= now }
    }

    private var entries: [BranchPattern: Entry] = [:]
    private var kinds: [Int: [Kind]] = [:]
    /// No entry is over later than this.
    private var end: ContinuousClock.Instant?
    private let countMax: Int
    private let now: @Sendable () -> ContinuousClock.Instant

    /// How many patterns are in the table.
    var count: Int { entries.count }

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
        var wasContended = false
        if var entry = entries[pattern], !entry.isOver(at: now) {
            wasContended = entry.isContended(at: now)
            if !wasContended { entry.memory = min(entry.memory * 2, Self.memoryMax) }
            entry.seen = now
            entries[pattern] = entry
        } else {
            if entries[pattern] == nil {
                if entries.count >= countMax { makeRoom(at: now) }
                noteKind(of: pattern)
            }
            entries[pattern] = Entry(seen: now, gate: gate(for: pattern))
        }
        let last = now + (entries[pattern]?.memory ?? .zero) * 2
        end = max(end ?? last, last)
        return !wasContended
    }

    /// Patterns with different SQL may name one row: they have one gate.
    private func gate(for pattern: BranchPattern) -> RowGate? {
        guard let row = pattern.row else { return nil }
        return entries.first { $0.key.row == row }?.value.gate ?? RowGate()
    }

    private func noteKind(of pattern: BranchPattern) {
        let places = pattern.values.map(\.place)
        let isKnown = kinds[pattern.shape]?.contains {
            $0.participant == pattern.participant && $0.places == places
        }
        guard isKnown != true else { return }
        kinds[pattern.shape, default: []].append(
            Kind(participant: pattern.participant, places: places))
    }

    /// What is contended of a request.
    ///
    /// It runs for every transaction, so it reads no clock while the table is empty, and makes one look-up
    /// for each kind of pattern, however many rows are contended.
    func find(_ requests: [SessionRequest]) -> ContendedBranches {
        var found = ContendedBranches()
        guard let now = timeInUse else { return found }
        for (branch, request) in requests.enumerated() {
            for entry in contended(request, at: now) {
                if let gate = entry.gate {
                    found.add(gate, to: branch, of: requests.count)
                } else {
                    found.sharesSessions = true
                }
            }
        }
        return found
    }

    /// Whether any of these branches is contended.
    func containsAny(of requests: [SessionRequest]) -> Bool {
        guard let now = timeInUse else { return false }
        return requests.contains { !contended($0, at: now).isEmpty }
    }

    /// The time, if anything may be contended; once nothing can be, the table is emptied.
    private var timeInUse: ContinuousClock.Instant? {
        guard let end else { return nil }
        let now = now()
        if now < end { return now }
        (entries, kinds, self.end) = ([:], [:], nil)
        return nil
    }

    private func contended(_ request: SessionRequest, at now: ContinuousClock.Instant) -> [Entry] {
        guard let kinds = kinds[request.shape] else { return [] }
        return kinds.compactMap { kind in
            guard kind.participant == request.participant,
                let entry = BranchPattern(request, at: kind.places).flatMap({ entries[$0] }),
                entry.isContended(at: now)
            else { return nil }
            return entry
        }
    }

    /// Removes what is over, or else what was seen the longest time ago.
    private func makeRoom(at now: ContinuousClock.Instant) {
        let oldest = entries.values.map(\.seen).min()
        let hasOver = entries.values.contains { $0.isOver(at: now) }
        entries = entries.filter { _, entry in
            hasOver ? !entry.isOver(at: now) : entry.seen != oldest
        }
        kinds = [:]
        for pattern in entries.keys { noteKind(of: pattern) }
    }
}
