/// The participants' side: statements, locks and queues.
extension LockWorld {
    mutating func beginWork(of session: LockSession) {
        // The abort may have been faster.
        guard actors[session.actor].branches[session.branch].phase == .unsent else { return }
        actors[session.actor].branches[session.branch].phase = .working
        actors[session.actor].branches[session.branch].began = now
        lockNext(of: session)
    }

    private mutating func lockNext(of session: LockSession) {
        let branch = actors[session.actor].branches[session.branch]
        let statement = branch.plan.statements[branch.next]
        waitCount += 1
        actors[session.actor].branches[session.branch].wait = waitCount
        guard !sites[branch.plan.site].lock(statement.row, for: session) else {
            return events.add(
                .statementEnds(session, wait: waitCount), at: now + statement.duration)
        }
        actors[session.actor].branches[session.branch].phase = .waiting
        actors[session.actor].branches[session.branch].waitBegan = now
        note { "\($0.name(session.actor)) waits for row \(statement.row) of \(branch.plan.site)" }
        events.add(
            .serverLooksForDeadlock(session, wait: waitCount), at: now + setting.deadlockTimeout)
        rules.locksChanged = true
    }

    mutating func statementEnds(of session: LockSession, wait: Int) {
        let branch = actors[session.actor].branches[session.branch]
        guard branch.phase == .working, branch.wait == wait else { return }
        if branch.next + 1 < branch.plan.statements.count {
            actors[session.actor].branches[session.branch].next += 1
            return lockNext(of: session)
        }
        guard actors[session.actor].request != nil else { return finish(session) }
        actors[session.actor].branches[session.branch].phase = .voted
        send(.voteArrives(session, nil))
    }

    /// Ends a branch, prepared or not, and its locks.
    mutating func finish(_ session: LockSession) {
        let branch = actors[session.actor].branches[session.branch]
        actors[session.actor].branches[session.branch].phase = .over
        if branch.phase == .waiting { figures.waited(now - branch.waitBegan) }
        for (row, _) in branch.rows {
            guard let next = sites[branch.plan.site].release(row, of: session) else { continue }
            grant(to: next)
        }
        rules.locksChanged = true
    }

    private mutating func grant(to session: LockSession) {
        let branch = actors[session.actor].branches[session.branch]
        actors[session.actor].branches[session.branch].phase = .working
        figures.waited(now - branch.waitBegan)
        events.add(
            .statementEnds(session, wait: branch.wait),
            at: now + branch.plan.statements[branch.next].duration)
    }

    /// A cancel ends what the session runs, be it another statement by now; it does nothing to a branch
    /// that has voted.
    mutating func cancel(_ session: LockSession, _ proof: Proof?) throws(Violation) {
        var session = session
        if setting.mistake == .cancelsNextRun, let request = actors[session.actor].request {
            session = LockSession(actor: requests[request].run, branch: session.branch)
        }
        let phase = actors[session.actor].branches[session.branch].phase
        guard phase == .working || phase == .waiting else { return }
        try victimEnds(session.actor, proof)
        note { "\($0.name(session.actor)) is cancelled" }
        finish(session)
        send(.voteArrives(session, .lost))
    }

    /// PostgreSQL looks for a deadlock among the sessions of its server once, after a while.
    mutating func lookForDeadlock(of session: LockSession, wait: Int) {
        let branch = actors[session.actor].branches[session.branch]
        guard branch.phase == .waiting, branch.wait == wait else { return }
        var reached: Set<LockSession> = []
        var open = [session]
        while let next = open.popLast() {
            let waiter = actors[next.actor].branches[next.branch]
            guard waiter.phase == .waiting, waiter.plan.site == branch.plan.site else { continue }
            let row = waiter.plan.statements[waiter.next].row
            for blocker in sites[branch.plan.site].before(next, for: row)
            where reached.insert(blocker).inserted {
                open.append(blocker)
            }
        }
        guard reached.contains(session) else { return }
        note { "the server ends \($0.name(session.actor))" }
        finish(session)
        if actors[session.actor].request != nil { send(.voteArrives(session, .lostInServer)) }
    }
}
