/// A party to lock waits: a global transaction, or a session that belongs to none.
package enum LockParty: Hashable, Sendable {
    /// A global transaction, with the id of its request's first run; that id is its age.
    case transaction(GlobalTransactionID, age: GlobalTransactionID)
    /// A session of another program, on this server.
    case stranger(systemIdentifier: String, processID: Int32)
}

/// A wait for a lock, as one reading of a server found it: one party waits for another.
package struct LockEdge: Hashable, Sendable {
    /// Who waits.
    package let waiter: LockParty
    /// Who holds the lock, or is before the waiter in the queue for it.
    package let blocker: LockParty
    /// Which wait it is: the same text in two readings means that the waiter has waited all the time
    /// between them.
    package let wait: String

    /// Makes an edge.
    package init(waiter: LockParty, blocker: LockParty, wait: String) {
        self.waiter = waiter
        self.blocker = blocker
        self.wait = wait
    }
}

/// Finds deadlocks among waits, and chooses the transactions that have to end so that none is left.
///
/// A waiter waits for all of its blockers, so every cycle of edges is a deadlock, if the edges held at
/// one time. Readings of several servers are not made at one time. So `deadlocks` takes two readings of
/// which the second began after the first was complete: an edge that is in both held between them, and
/// at that moment all of them held together. A deadlock ends only if one of its parties ends.
package struct WaitGraph: Sendable {
    /// Edges by waiter.
    private var edges: [LockParty: [LockEdge]] = [:]

    /// Makes the graph of some edges.
    package init(_ edges: some Sequence<LockEdge>) {
        for edge in edges { self.edges[edge.waiter, default: []].append(edge) }
    }

    /// Makes the graph of the edges that both readings found.
    package init(_ first: some Sequence<LockEdge>, confirmedBy second: some Sequence<LockEdge>) {
        let confirmed = Set(second)
        self.init(first.filter(confirmed.contains))
    }

    /// A cycle of waits, and the transaction that has to end.
    package struct Deadlock: Hashable, Sendable {
        /// The youngest transaction of the cycle.
        package let victim: GlobalTransactionID
        /// The edges of the cycle, from the victim on: each waits for the next one's waiter.
        package let cycle: [LockEdge]
    }

    /// One victim after the other, until no cycle is left, so that no transaction ends whose end is not
    /// needed.
    ///
    /// The victim of a cycle is its youngest transaction. A request that runs again keeps its age, so
    /// the oldest is never a victim, and every request is the oldest at some time. Of a cycle without a
    /// transaction that can end, PostgreSQL has to choose the victim.
    package func deadlocks() -> [Deadlock] {
        var rest = self
        var found: [Deadlock] = []
        // Youngest first, so that the first cycle through a transaction has no younger one left.
        let transactions = edges.keys.compactMap { party -> (LockParty, GlobalTransactionID)? in
            guard case .transaction(_, let age) = party else { return nil }
            return (party, age)
        }
        for (party, _) in transactions.sorted(by: { $1.1 < $0.1 }) {
            guard case .transaction(let id, _) = party, let cycle = rest.cycle(through: party) else {
                continue
            }
            found.append(Deadlock(victim: id, cycle: cycle))
            rest.edges[party] = nil
        }
        return found
    }

    /// The shortest cycle through a party; nil if there is none.
    private func cycle(through start: LockParty) -> [LockEdge]? {
        var arrival: [LockParty: LockEdge] = [:]
        var queue: [LockParty] = [start]
        var next = 0
        while next < queue.count {
            for edge in edges[queue[next]] ?? [] where arrival[edge.blocker] == nil {
                arrival[edge.blocker] = edge
                if edge.blocker == start { return path(to: start, arrival) }
                queue.append(edge.blocker)
            }
            next += 1
        }
        return nil
    }

    private func path(to end: LockParty, _ arrival: [LockParty: LockEdge]) -> [LockEdge] {
        var path: [LockEdge] = []
        var party = end
        repeat {
            guard let edge = arrival[party] else { break }
            path.append(edge)
            party = edge.waiter
        } while party != end
        return path.reversed()
    }
}
