/// The replicas' side: which runs wait for which, read again and again while a branch works for long.
extension LockWorld {
    mutating func beginReading(_ replica: Int, isConfirming: Bool = false) {
        let latest = now - setting.threshold
        let sites = Set(
            actors.filter { $0.replica == replica && $0.state != .committed }.flatMap(\.branches)
                .filter { [.working, .waiting].contains($0.phase) && $0.began <= latest }
                .map(\.plan.site)
        ).sorted()
        guard !sites.isEmpty else {
            readers[replica].shownSince = [:]
            publish(Publication(begun: now), by: replica)
            events.add(.replicaReads(replica), at: now + setting.interval)
            return
        }
        readers[replica].number += 1
        let number = readers[replica].number
        let own = Publication(begun: now, cyclic: actorsOnCycle())
        readers[replica].current = LockReading(
            own: own, pendingCount: sites.count + 1, isConfirming: isConfirming)
        for site in sites { send(.siteIsRead(replica: replica, site: site, reading: number)) }
        events.add(
            .tableIsRead(replica: replica, reading: number), at: now + any(of: setting.logDelay))
    }

    /// What a server shows of the sessions of a replica that wait, and of all before which they wait.
    func waits(atSite site: Int, seenBy replica: Int) -> [ReadWait] {
        var open: [LockSession] = sites[site].contended.flatMap(\.queue).filter {
            actors[$0.actor].replica == replica
        }
        var seen = Set(open)
        var found: [ReadWait] = []
        while let session = open.popLast() {
            let branch = actors[session.actor].branches[session.branch]
            guard branch.phase == .waiting, branch.plan.site == site else { continue }
            let before = sites[site].before(session, for: branch.plan.statements[branch.next].row)
            // The first waiter waits for the holder, the others for those between.
            let shown = before.count == 1 || setting.addsRowHolder ? before : before.dropFirst()
            for blocker in shown {
                found.append(
                    ReadWait(
                        waiter: session, blocker: blocker.actor, wait: branch.wait,
                        waited: now - branch.waitBegan))
            }
            for blocker in before where seen.insert(blocker).inserted { open.append(blocker) }
        }
        return found.filter { $0.waiter.actor != $0.blocker }
    }

    mutating func answered(_ replica: Int, _ reading: Int) throws(Violation) {
        readers[replica].current.pendingCount -= 1
        guard readers[replica].current.pendingCount == 0 else { return }
        readers[replica].noteShown(at: now)
        publishWaits(of: replica)
        let current = readers[replica].current
        try decide(replica)
        // A cycle is read again at once, and only once, for it may be there no more.
        if !current.isConfirming, !inCycles(current.all).isEmpty {
            beginReading(replica, isConfirming: true)
        } else {
            events.add(.replicaReads(replica), at: now + setting.interval)
        }
    }

    /// Publishes the waits of the replica's own sessions if one of them crosses replicas.
    ///
    /// It publishes all of them then: a cycle over replicas has waits inside each of them as well. A
    /// replica on such a cycle has a wait that leaves it, so it publishes.
    private mutating func publishWaits(of replica: Int) {
        let isForeign = { [actors] (actor: Int) in
            actors[actor].request != nil && actors[actor].replica != replica
        }
        var own = readers[replica].current.own
        let isShared = own.waits.contains { isForeign($0.blocker) }
        own.waits.removeAll {
            !isShared || isForeign($0.waiter.actor)
                || (setting.mistake == .publishesPart && !isForeign($0.blocker))
        }
        publish(own, by: replica)
    }

    private mutating func publish(_ publication: Publication, by replica: Int) {
        guard !publication.waits.isEmpty || readers[replica].hasPublished else { return }
        readers[replica].hasPublished = !publication.waits.isEmpty
        guard !isLost() else { return }
        events.add(
            .published(replica: replica, publication), at: now + any(of: setting.logDelay))
    }

    /// Leaves out waits that are on no cycle, which changes nothing but the time that a search takes.
    func inCycles(_ waits: [ReadWait]) -> [ReadWait] {
        var waits = waits
        while true {
            let waiters = Set(waits.map(\.waiter.actor))
            let blockers = Set(waits.map(\.blocker))
            let rest = waits.filter {
                waiters.contains($0.blocker) && blockers.contains($0.waiter.actor)
            }
            if rest.count == waits.count { return rest }
            waits = rest
        }
    }
}
