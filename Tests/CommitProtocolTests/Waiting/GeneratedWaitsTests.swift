import Testing

@testable import CommitProtocol

/// The rules of the choice of victims, on generated waits.
@Suite struct GeneratedWaits {
    /// Four hundred graphs a case, from a few edges to tangles.
    @Test(arguments: 0..<10)
    func keepsTheRules(_ part: Int) {
        for seed in part * 400..<(part + 1) * 400 {
            var random = Random(UInt64(seed))
            let edges = random.edges()
            let deadlocks = WaitGraph(edges).deadlocks()
            for fault in faults(of: deadlocks, among: edges) {
                Issue.record("graph \(seed): \(fault)")
            }
            // All replicas choose the same victims from the same edges, whatever their order.
            #expect(WaitGraph(random.shuffled(edges)).deadlocks() == deadlocks, "graph \(seed)")
            let second = edges.filter { _ in random.below(4) > 0 }
            #expect(
                WaitGraph(edges, confirmedBy: random.shuffled(second + random.edges())).deadlocks()
                    .allSatisfy { Set(edges).isSuperset(of: $0.cycle) })
        }
    }

    @Test func generatesDeadlocksOfManyKinds() {
        var victims: [Int: Int] = [:]
        var longest = 0
        var strangers = 0
        for seed in 0..<4_000 {
            var random = Random(UInt64(seed))
            let deadlocks = WaitGraph(random.edges()).deadlocks()
            victims[min(deadlocks.count, 4), default: 0] += 1
            longest = max(longest, deadlocks.map(\.cycle.count).max() ?? 0)
            strangers += deadlocks.count { $0.cycle.contains { !isTransaction($0.waiter) } }
        }
        #expect((0...4).allSatisfy { victims[$0] ?? 0 > 50 })
        #expect(longest >= 5)
        #expect(strangers > 100)
    }

    private func faults(of deadlocks: [WaitGraph.Deadlock], among edges: [LockEdge]) -> [String] {
        var faults: [String] = []
        let victims = Set(deadlocks.map(\.victim))
        if victims.count != deadlocks.count { faults.append("a transaction is a victim twice") }
        for (deadlock, number) in zip(deadlocks, 1...) {
            let cycle = deadlock.cycle
            let isCycle = zip(cycle, cycle.dropFirst() + cycle.prefix(1)).allSatisfy {
                $0.blocker == $1.waiter && edges.contains($0)
            }
            if !isCycle { faults.append("cycle \(number) is none of the edges") }
            let parties = cycle.map(\.waiter)
            if Set(parties).count != parties.count {
                faults.append("cycle \(number) crosses itself")
            }
            let members = parties.compactMap(transaction)
            if members.first?.id != deadlock.victim { faults.append("the victim is not its first") }
            if members.max(by: { $0.age < $1.age })?.id != deadlock.victim {
                faults.append("victim \(number) is not the youngest of its cycle")
            }
            if members.count(where: { victims.contains($0.id) }) != 1 {
                faults.append("cycle \(number) loses more than its victim")
            }
        }
        let rest = edges.filter { edge in
            ![edge.waiter, edge.blocker].compactMap(transaction).contains {
                victims.contains($0.id)
            }
        }
        if hasCycleWithTransaction(rest) { faults.append("a cycle is left") }
        return faults
    }

    /// By another method than the graph's: a transaction that reaches itself.
    private func hasCycleWithTransaction(_ edges: [LockEdge]) -> Bool {
        let blockers = Dictionary(grouping: edges.filter { $0.waiter != $0.blocker }, by: \.waiter)
        return blockers.keys.filter(isTransaction).contains { start in
            var reached: Set<LockParty> = []
            var open = [start]
            while let party = open.popLast() {
                for edge in blockers[party] ?? [] where reached.insert(edge.blocker).inserted {
                    open.append(edge.blocker)
                }
            }
            return reached.contains(start)
        }
    }

    // MARK: Work

    /// A queue as a server shows it has an edge for every pair, so they are followed once, and no more.
    @Test(arguments: [100, 1_000])
    func followsEachEdgeOfAQueueOnce(_ length: Int) {
        let blockers = (0..<length).map { Array(0..<$0) }
        var search = WaitGraph.Search(blockers, transactionsFrom: 0)
        #expect(search.victims().isEmpty)
        #expect(search.steps == length * (length - 1) / 2)
    }

    /// The oldest, at the head, waits for the youngest, at the end.
    ///
    /// A search from each of them would follow a sixth of the cube of the length.
    @Test(arguments: [100, 1_000])
    func findsVictimOfAQueueInFewSteps(_ length: Int) {
        let edges = length * (length - 1) / 2 + 1
        for (name, blockers) in [
            ("all before", (0..<length).map { Array(0..<$0) }),
            ("the one before", (0..<length).map { $0 == 0 ? [] : [$0 - 1] }),
        ] {
            var search = WaitGraph.Search(
                [[length - 1]] + blockers.dropFirst(), transactionsFrom: 0)
            #expect(search.victims().map(\.victim) == [length - 1], "\(name)")
            #expect(search.steps <= edges * 14, "\(name)")
        }
    }

    /// Many deadlocks between pairs cost what one costs, for they have nothing to do with each other.
    @Test func searchesUnrelatedDeadlocksApart() {
        let pairs = (0..<2_000).map { [$0 % 2 == 0 ? $0 + 1 : $0 - 1] }
        var search = WaitGraph.Search(pairs, transactionsFrom: 0)
        #expect(search.victims().map(\.victim) == Array(stride(from: 1, to: 2_000, by: 2)))
        #expect(search.steps <= 2_000 * 10)
    }
}

private func isTransaction(_ party: LockParty) -> Bool { transaction(party) != nil }

private func transaction(
    _ party: LockParty
) -> (id: GlobalTransactionID, age: GlobalTransactionID)? {
    guard case .transaction(let id, let age) = party else { return nil }
    return (id, age)
}

/// Random waits; the same seed gives the same ones.
private struct Random {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func below(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }

    /// Waits of up to 14 parties, some of them strangers, some in a later run than their age says.
    mutating func edges() -> [LockEdge] {
        let parties = (0..<2 + below(13)).map { number -> LockParty in
            let first = id(Int64(number + 1))
            switch below(6) {
            case 0: return stranger(Int32(number), on: below(2) == 0 ? "7000" : "7001")
            case 1: return .transaction(id(Int64(100 + number)), age: first)
            default: return .transaction(first, age: first)
            }
        }
        return (0..<1 + below(parties.count * 3)).map { _ in
            LockEdge(
                waiter: parties[below(parties.count)], blocker: parties[below(parties.count)],
                wait: "wait \(below(2))")
        }
    }

    mutating func shuffled(_ edges: [LockEdge]) -> [LockEdge] {
        var edges = edges
        for last in edges.indices.dropFirst().reversed() { edges.swapAt(last, below(last + 1)) }
        return edges
    }
}
