internal import CommitProtocol

/// What the policies make of a reading.
extension LockWorld {
    mutating func decide(_ replica: Int) throws(Violation) {
        switch setting.policy {
        case .graph:
            if setting.mistake == .noCycle {
                endLongWaits(of: replica, limit: setting.interval)
            } else {
                try endDeadlocks(replica)
            }
        case .woundWait(let grace): woundYounger(replica, grace: grace)
        case .timeout(let limit): endLongWaits(of: replica, limit: limit)
        }
    }

    // MARK: Graph

    /// Cancels the waiting branches of this replica's victims.
    private mutating func endDeadlocks(_ replica: Int) throws(Violation) {
        var cancelled: Set<LockSession> = []
        for evidence in evidence(readers[replica]) {
            let waits = inCycles(evidence.before)
            let graph = WaitGraph(edges(waits), confirmedBy: edges(evidence.after))
            for deadlock in graph.deadlocks() {
                let cycle = deadlock.cycle.compactMap { edge in
                    waits.first { "\($0.wait)" == edge.wait }
                }
                if cycle.contains(where: { actors[$0.waiter.actor].replica == replica }) {
                    memories[replica].note(at: now)
                }
                let proof = Proof(
                    victim: Int(deadlock.victim.number) - 1,
                    members: Set(cycle.map(\.waiter.actor)),
                    cyclic: evidence.cyclic)
                for wait in setting.mistake == .wholeCycle ? cycle[...] : cycle.prefix(1)
                where cancelled.insert(wait.waiter).inserted {
                    end(wait.waiter, proof, by: replica)
                }
            }
        }
    }

    private mutating func end(_ waiter: LockSession, _ proof: Proof, by replica: Int) {
        let actor = actors[waiter.actor]
        guard actor.replica == replica else { return }
        if setting.mistake == .forgetsParticipant, actor.branches[waiter.branch].plan.site != 0 {
            return
        }
        note { "\($0.name(waiter.actor)) is to end a cycle of \(proof.members.count)" }
        if !isLost() { send(.cancelArrives(waiter, proof)) }
    }

    /// What was read before and after a moment, and who was on a cycle at that moment.
    private func evidence(_ reader: LockReader) -> [Evidence] {
        let current = reader.current
        switch setting.mistake {
        case .oneReading:
            let all = current.all
            // Even if the reading is given the benefit of both its ends.
            let cyclic = current.own.cyclic.union(actorsOnCycle())
            return [Evidence(before: all, after: all, cyclic: cyclic)]
        case .oldPublishedReading:
            let first = current.all.filter {
                reader.shownSince[$0.identity] ?? .max <= current.own.begun
            }
            return [Evidence(before: first, after: current.all, cyclic: current.own.cyclic)]
        default: return reader.evidence
        }
    }

    private func edges(_ waits: [ReadWait]) -> [LockEdge] {
        waits.map {
            LockEdge(
                waiter: party($0.waiter.actor), blocker: party($0.blocker), wait: "\($0.wait)")
        }
    }

    private func party(_ actor: Int) -> LockParty {
        guard actors[actor].request != nil else {
            let site = actors[actor].branches[0].plan.site
            return .stranger(server: "\(site)", processID: Int32(actor))
        }
        let age = setting.mistake == .youngestByNewID ? actor : actors[actor].age
        return .transaction(
            GlobalTransactionID(number: Int64(actor + 1), salt: 0),
            age: GlobalTransactionID(number: Int64(age + 1), salt: 0))
    }

    // MARK: Wound-wait and timeouts

    /// Wounds every younger transaction for which one of this replica has waited long, be it through
    /// other programs, which nobody can wound.
    private mutating func woundYounger(_ replica: Int, grace: Int64) {
        let waits = readers[replica].current.own.waits
        let blockers = Dictionary(grouping: waits, by: \.waiter.actor)
        let cyclic = actorsOnCycle()
        var wounded: Set<Int> = []
        for wait in waits where actors[wait.waiter.actor].replica == replica && wait.waited >= grace
        {
            let older = wait.waiter.actor
            var open = [wait.blocker]
            var seen = Set(open)
            while let blocker = open.popLast() {
                if actors[blocker].request == nil {
                    for next in blockers[blocker] ?? [] where seen.insert(next.blocker).inserted {
                        open.append(next.blocker)
                    }
                } else if actors[older].age < actors[blocker].age,
                    wounded.insert(blocker).inserted
                {
                    let proof = Proof(victim: blocker, members: [older, blocker], cyclic: cyclic)
                    // Another replica learns of it through the state database.
                    let delay = actors[blocker].replica == replica ? 0 : any(of: setting.logDelay)
                    if !isLost() {
                        events.add(.woundArrives(actor: blocker, proof), at: now + delay)
                    }
                }
            }
        }
    }

    mutating func wound(_ actor: Int, _ proof: Proof?) throws(Violation) {
        if setting.mistake == .abortsDecided, actors[actor].state != .active {
            guard actors[actor].state != .aborted else { return }
            events.add(.decisionWritten(actor: actor, .lost), at: now + setting.logDelay.upperBound)
        }
        guard actors[actor].state == .active else { return }
        note { "\($0.name(actor)) is wounded" }
        try victimEnds(actor, proof)
        abort(actor, because: .lost)
    }

    private mutating func endLongWaits(of replica: Int, limit: Int64) {
        let cyclic = actorsOnCycle()
        for wait in readers[replica].current.own.waits
        where actors[wait.waiter.actor].replica == replica && wait.waited >= limit {
            let waiter = wait.waiter.actor
            let proof = Proof(victim: waiter, members: [waiter], cyclic: cyclic)
            if !isLost() { send(.cancelArrives(wait.waiter, proof)) }
        }
    }
}
