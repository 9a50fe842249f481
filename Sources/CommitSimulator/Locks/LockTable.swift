/// A session of a participant: a branch of a run, or another program.
struct LockSession: Hashable, Sendable {
    /// The number of the run or of the other program.
    let actor: Int
    let branch: Int
}

/// The row locks of a participant, each with a queue in order of arrival.
struct LockTable: Sendable {
    /// For each row, its holder, and then the sessions that wait for it, in order.
    private var queues: [Int: [LockSession]] = [:]

    var isEmpty: Bool { queues.isEmpty }

    /// Locks a row, or waits for it; true if the lock is granted at once.
    mutating func lock(_ row: Int, for session: LockSession) -> Bool {
        queues[row, default: []].append(session)
        return queues[row]?.count == 1
    }

    /// Takes a session out of a row's queue; returns the session that holds the row now, if that is
    /// another one.
    mutating func release(_ row: Int, of session: LockSession) -> LockSession? {
        guard var queue = queues[row], let place = queue.firstIndex(of: session) else { return nil }
        queue.remove(at: place)
        queues[row] = queue.isEmpty ? nil : queue
        return place == 0 ? queue.first : nil
    }

    /// The holder of a row, and the sessions before another one in the queue for it, in order.
    func before(_ session: LockSession, for row: Int) -> ArraySlice<LockSession> {
        queues[row]?.prefix { $0 != session } ?? []
    }

    /// The rows for which somebody waits, with their queues.
    var contended: [(row: Int, queue: [LockSession])] {
        queues.filter { $0.value.count > 1 }.map { ($0.key, $0.value) }.sorted { $0.row < $1.row }
    }
}
