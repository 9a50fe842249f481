/// A party to lock waits: a global transaction, or a session that belongs to none.
package enum LockParty: Hashable, Sendable {
    /// A global transaction, with the id of its request's first run; that id is its age.
    case transaction(GlobalTransactionID, age: GlobalTransactionID)
    /// A session of another program, on the server of this name.
    case stranger(server: String, processID: Int32)
}

/// A wait for a lock, as one reading of a server found it: one party waits for another.
package struct LockEdge: Hashable, Sendable {
    /// The party that waits.
    package let waiter: LockParty
    /// A holder of the lock, or a party before the waiter in the queue for it.
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

/// Finds deadlocks among waits, and chooses the transactions to abort so that none is left.
///
/// A waiter waits for all of its blockers, so every cycle of edges is a deadlock, if the edges held at
/// one time. Readings of several servers are not made at one time, so edges of one reading prove
/// nothing. `init(_:confirmedBy:)` takes two readings, of which the second began after the first was
/// complete. Let m be a moment between them. An edge of both was seen before m and after m, for one and
/// the same wait: a waiter keeps its place in a queue, and a blocker that has left never comes to stand
/// before it again. So the edge held at m, and with it every other edge of both readings: their cycles
/// were deadlocks at m. Only the abort of one of its parties breaks a deadlock; tandem or PostgreSQL may
/// have aborted one since, which is why the cancelled branch may still answer with its vote.
package struct WaitGraph: Sendable {
    /// All parties: strangers first, then the transactions, the oldest first.
    private let parties: [LockParty]
    /// The waits by the waiter's index; each with the index of its blocker.
    private let waits: [[(blocker: Int, edge: LockEdge)]]

    /// Makes the graph of some edges; their order changes nothing.
    ///
    /// A transaction that waits for itself is left out: no other transaction is part of that, and
    /// running again would not help.
    package init(_ edges: some Sequence<LockEdge>) {
        let edges = Set(edges).filter { $0.waiter != $0.blocker }
        parties = Set(edges.lazy.flatMap { [$0.waiter, $0.blocker] }).sorted { $0.precedes($1) }
        let indices = Dictionary(
            uniqueKeysWithValues: parties.enumerated().map { ($0.element, $0.offset) })
        var waits = [[(blocker: Int, edge: LockEdge)]](repeating: [], count: parties.count)
        for edge in edges {
            guard let waiter = indices[edge.waiter], let blocker = indices[edge.blocker] else {
                continue
            }
            waits[waiter].append((blocker, edge))
        }
        self.waits = waits.map {
            $0.sorted { ($0.blocker, $0.edge.wait) < ($1.blocker, $1.edge.wait) }
        }
    }

    /// Makes the graph of the edges that both readings found.
    package init(_ first: some Sequence<LockEdge>, confirmedBy second: some Sequence<LockEdge>) {
        self.init(Set(first).intersection(second))
    }

    /// A cycle of waits, and the transaction to abort.
    package struct Deadlock: Hashable, Sendable {
        /// The youngest transaction of the cycle.
        package let victim: GlobalTransactionID
        /// The edges of the cycle, from the victim on: each waits for the next one's waiter.
        package let cycle: [LockEdge]
    }

    /// The deadlocks to break, each by its victim, so that no cycle with a transaction is left.
    ///
    /// Transactions are considered from the oldest on, and each one is kept unless it closes a cycle
    /// with those that are kept. So a victim is the youngest of its cycle, every other transaction of
    /// that cycle goes on, and no victim could be spared. To begin with the youngest would not do: of a
    /// queue of a thousand, in which the last holds what the first waits for, every one is on some
    /// cycle, and yet one victim is enough.
    ///
    /// A request that runs again keeps its age, so the oldest is a victim only where all others in the
    /// cycle are strangers, and every request is the oldest at some time. Of a cycle without a
    /// transaction, PostgreSQL has to choose the victim. Edges that are the same give victims that are
    /// the same, whichever replica asks.
    package func deadlocks() -> [Deadlock] {
        var search = Search(waits.map { $0.map(\.blocker) }, transactionsFrom: strangerCount)
        return search.victims().compactMap { victim, cycle in
            guard case .transaction(let id, _) = parties[victim] else { return nil }
            let next = cycle.dropFirst() + [victim]
            let edges = zip(cycle, next).compactMap { waiter, blocker in
                waits[waiter].first { $0.blocker == blocker }?.edge
            }
            return Deadlock(victim: id, cycle: edges)
        }
    }

    private var strangerCount: Int {
        parties.firstIndex { if case .transaction = $0 { true } else { false } } ?? parties.count
    }
}

extension LockParty {
    /// Strangers before transactions, and the older before the younger.
    fileprivate func precedes(_ other: LockParty) -> Bool {
        switch (self, other) {
        case (.stranger(let server, let processID), .stranger(let otherServer, let otherProcessID)):
            (server, processID) < (otherServer, otherProcessID)
        case (.stranger, .transaction): true
        case (.transaction, .stranger): false
        case (.transaction(let id, let age), .transaction(let otherID, let otherAge)):
            (age, id) < (otherAge, otherID)
        }
    }
}
