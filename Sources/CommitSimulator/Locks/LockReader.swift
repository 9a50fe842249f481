/// A wait as a reading of a server shows it.
struct ReadWait: Sendable {
    let waiter: LockSession
    let blocker: Int
    /// The number of the wait, which names it.
    let wait: Int
    /// How long it has lasted.
    let waited: Int64
}

/// What a replica publishes for the others: the waits of one whole reading.
struct Publication: Sendable {
    /// When that reading began, by the clock of the state database.
    var begun: Int64 = -1
    var waits: [ReadWait] = []
    /// What the simulation alone knows: the parties that were on a cycle when the reading began.
    var cyclic: Set<Int> = []
}

/// A reading of all servers in which a replica has work, and of what the others have published.
struct LockReading: Sendable {
    /// What it found in the servers.
    var own: Publication
    var published: [Publication] = []
    /// Answers that have not arrived.
    var pendingCount: Int
    /// Whether it was made at once because the reading before it showed a cycle.
    let isConfirming: Bool

    /// All waits that it knows of.
    var all: [ReadWait] { own.waits + published.flatMap(\.waits) }
}

/// What was read before a moment and after it.
struct Evidence: Sendable {
    let before: [ReadWait]
    let after: [ReadWait]
    /// What the simulation alone knows: the parties that were on a cycle at the moment.
    let cyclic: Set<Int>
}

/// A replica's readings.
struct LockReader: Sendable {
    var number = 0
    var current = LockReading(own: Publication(), pendingCount: 0, isConfirming: false)
    /// For each wait that the current reading shows: when the first reading was complete since which
    /// every reading has shown it.
    var shownSince: [Int: Int64] = [:]
    var hasPublished = false

    /// Takes note of what the current reading shows.
    mutating func noteShown(at now: Int64) {
        shownSince = Dictionary(
            current.all.map { ($0.identity, shownSince[$0.identity] ?? now) },
            uniquingKeysWith: { first, _ in first })
    }

    /// The moments for which the readings may prove something: when each of those began that the
    /// current one consists of.
    ///
    /// What such a reading shows was there after the moment. So the waits that were shown before the
    /// moment as well held at it.
    var evidence: [Evidence] {
        let parts = [current.own] + current.published
        return parts.filter { !$0.waits.isEmpty }.map { part in
            let before = current.all.filter { shownSince[$0.identity] ?? .max <= part.begun }
            let later = parts.filter { $0.begun >= part.begun }.flatMap(\.waits)
            return Evidence(before: before, after: later, cyclic: part.cyclic)
        }
    }
}

extension ReadWait {
    /// What makes it the same wait in two readings: its number and the blocker's.
    var identity: Int { wait << 24 | blocker }
}

/// Why a run has to end.
struct Proof: Sendable {
    let victim: Int
    /// The parties of the cycle, other programs among them; or the one that waits and the victim.
    let members: Set<Int>
    /// The runs that were on a cycle at the moment for which the proof holds.
    let cyclic: Set<Int>
}
