/// What the rules remember of a history.
struct LockRules: Sendable {
    /// Whether a broken rule ends the history; otherwise it is only counted.
    var areEnforced = true
    var locksChanged = false
    /// The deadlocks of this moment, each with its edges, and since when it has had them.
    var deadlocks: [Deadlock: Int64] = [:]
    /// The longest time that a deadlock lasted without a change, after messages were no longer lost.
    var longestDeadlock: Int64 = 0
    /// The victim of each cycle that was acted upon.
    var victims: [Set<Int>: Int] = [:]
    /// The runs that were made to end.
    var ended: Set<Int> = []
    /// How many deadlocks there were.
    var deadlockCount = 0

    /// Parties each of which waits for each other one, through others or at once.
    struct Deadlock: Hashable, Sendable {
        let members: Set<Int>
        let edges: Set<[Int]>
    }
}

/// The rules, judged by what really happened.
extension LockWorld {
    /// Who really waits for whom.
    ///
    /// In a queue each waits for the one before; that reaches as far as waiting for all before.
    private var trueWaits: [Int: Set<Int>] {
        var waits: [Int: Set<Int>] = [:]
        for site in sites {
            for (_, queue) in site.contended {
                for (blocker, waiter) in zip(queue, queue.dropFirst())
                where blocker.actor != waiter.actor {
                    waits[waiter.actor, default: []].insert(blocker.actor)
                }
            }
        }
        return waits
    }

    /// Who is on a cycle now.
    func actorsOnCycle() -> Set<Int> { Set(deadlocks().flatMap(\.members)) }

    private func deadlocks() -> [LockRules.Deadlock] {
        var waits = trueWaits
        // Most wait for somebody who does not wait, or nobody waits for them.
        while true {
            let blockers = Set(waits.values.joined())
            let rest = waits.filter { blockers.contains($0.key) }
                .mapValues { $0.filter { waits[$0] != nil } }
                .filter { !$0.value.isEmpty }
            if rest.count == waits.count { break }
            waits = rest
        }
        var reached: [Int: Set<Int>] = [:]
        for start in waits.keys {
            var seen: Set<Int> = []
            var open = [start]
            while let actor = open.popLast() {
                for blocker in waits[actor] ?? [] where seen.insert(blocker).inserted {
                    open.append(blocker)
                }
            }
            reached[start] = seen
        }
        let groups = Set(
            reached.compactMap { actor, seen -> Set<Int>? in
                guard seen.contains(actor) else { return nil }
                return seen.filter { reached[$0]?.contains(actor) ?? false }
            })
        return groups.map { members in
            let edges = members.flatMap { waiter in
                (waits[waiter] ?? []).filter(members.contains).map { [waiter, $0] }
            }
            return LockRules.Deadlock(members: members, edges: Set(edges))
        }
    }

    /// Liveness: no deadlock lasts longer than what follows from the parameters.
    mutating func checkDeadlocks() throws(Violation) {
        guard rules.areEnforced else { return }
        if rules.locksChanged {
            rules.locksChanged = false
            let found = deadlocks()
            for (deadlock, since) in rules.deadlocks where !found.contains(deadlock) {
                rules.longestDeadlock = max(rules.longestDeadlock, now - since)
            }
            rules.deadlockCount += found.count { rules.deadlocks[$0] == nil }
            rules.deadlocks = Dictionary(
                uniqueKeysWithValues: found.map { ($0, rules.deadlocks[$0] ?? now) })
        }
        for (deadlock, since) in rules.deadlocks {
            let strangers = deadlock.members.count { actors[$0].request == nil }
            // PostgreSQL ends a deadlock among others; wound-wait leaves one with others to it, too.
            if strangers == deadlock.members.count { continue }
            var limit = setting.deadlockMax
            if case .woundWait(let grace) = setting.policy {
                limit += grace + (strangers > 0 ? setting.deadlockTimeout : 0)
            }
            guard now - max(since, setting.healed) > limit else { continue }
            let names = deadlock.members.sorted().map(name).joined(separator: ", ")
            throw Violation(
                "liveness: the deadlock of \(names) lasts longer than \(limit / 1_000) ms")
        }
    }

    /// A transaction is made to end: the rules about who may be.
    mutating func victimEnds(_ actor: Int, _ proof: Proof?) throws(Violation) {
        guard let proof, rules.ended.insert(actor).inserted else { return }
        figures.victimCount += 1
        let isWrong = !proof.cyclic.contains(actor)
        if isWrong { figures.wrongVictimCount += 1 }
        let others = proof.members.subtracting([actor])
        guard rules.areEnforced else { return }
        if case .woundWait = setting.policy {
            guard others.allSatisfy({ actors[$0].age < actors[actor].age }) else {
                throw Violation("\(name(actor)) is wounded by a younger one")
            }
            return
        }
        guard !isWrong else { throw Violation("\(name(actor)) ends, and was on no cycle") }
        guard rules.victims.updateValue(actor, forKey: proof.members) ?? actor == actor else {
            throw Violation("a cycle loses \(name(actor)) as well, and not one alone")
        }
        let otherRuns = others.filter { actors[$0].request != nil }
        guard otherRuns.isEmpty || otherRuns.contains(where: { actors[$0].age < actors[actor].age })
        else { throw Violation("starvation: \(name(actor)) ends, the oldest of its cycle") }
    }

    /// At the end of a history: every request that had retries and time left is committed.
    func checkAnswers() throws(Violation) {
        for (number, request) in requests.enumerated() {
            switch request.answer {
            case nil: throw Violation("request \(number) is never answered")
            case .committed: break
            case .failed(let time, let reason):
                let hadTime = time < request.deadline
                guard hadTime, request.attempts <= setting.retries || reason == .deadline else {
                    continue
                }
                throw Violation("request \(number) fails (\(reason)) with retries and time left")
            }
        }
        guard sites.allSatisfy(\.isEmpty) else { throw Violation("a lock is left") }
    }
}
