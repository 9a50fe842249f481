import CommitProtocol

/// What the environment does: answers, lost answers, and disturbances.
extension Explorer {
    /// An order arrives, or does not, and is answered, or is not.
    mutating func land(_ flight: Flight) throws(Violation) {
        let goesWrong = isFaulty && random.percent(faultPercent)
        guard let life = flight.driver else {
            // Its sender is gone; it arrives late, or never.
            if random.percent(60) { _ = try apply(flight) }
            return
        }
        if goesWrong { hasFailed = true }
        switch flight.order {
        case .log(.finish):
            if !goesWrong { _ = try apply(flight) } else if random.percent(50) { orphan(flight) }
        case .log(let request):
            guard goesWrong else { return try answer(flight, life) }
            if request == .accept, random.percent(30) {
                return try deliver(.acceptUnavailable, to: life)
            }
            try loseAnswer(of: flight)
            try deliver(request == .accept ? .acceptUnknown : .decisionUnknown, to: life)
        case .branch(.work(let branch)):
            try deliverVote(flight, branch, goesWrong, life)
        case .branch(.commitPrepared(let branch)), .branch(.rollbackPrepared(let branch)),
            .branch(.fenceAndRollBack(let branch)):
            guard goesWrong else { return try answer(flight, life) }
            try loseAnswer(of: flight)
            try deliver(.finished(branch: branch, .tryAgain), to: life)
        case .branch(.cancel): break
        case .branch(.commitLocally), .branch(.askRegister), .branch(.release):
            throw Violation("step: \(flight.order), and every branch is to be prepared")
        }
    }

    private mutating func answer(_ flight: Flight, _ life: Int) throws(Violation) {
        if let event = try apply(flight) { try deliver(event, to: life) }
    }

    /// The order was carried out, or will be, or never is.
    private mutating func loseAnswer(of flight: Flight) throws(Violation) {
        switch random.below(3) {
        case 0: _ = try apply(flight)
        case 1: orphan(flight)
        default: break
        }
    }

    private mutating func orphan(_ flight: Flight) {
        var late = flight
        late.driver = nil
        flights.append(late)
    }

    /// Carries an order out; the true answer.
    private mutating func apply(_ flight: Flight) throws(Violation) -> Event? {
        note("carried out: \(flight.order)")
        switch flight.order {
        case .log(.accept): return world.accept()
        case .log(.decide(let decision)): return try world.decide(decision, flight.evidence)
        case .log(.tombstone): return try world.tombstone()
        case .log(.finish):
            world.finish(flight.outcomes)
            return nil
        case .branch(.commitPrepared(let branch)):
            return .finished(
                branch: branch, try world.commit(branch, flight.evidence[branch]))
        case .branch(.rollbackPrepared(let branch)):
            return .finished(
                branch: branch,
                try world.rollBack(branch, flight.evidence[branch], isFenced: false))
        case .branch(.fenceAndRollBack(let branch)):
            if world.broken != .noFence { killWork(of: branch) }
            return .finished(
                branch: branch,
                try world.rollBack(branch, flight.evidence[branch], isFenced: true))
        case .branch(.work), .branch(.cancel): return nil
        case .log(.delegate), .log(.copy), .log(.report), .branch(.commitLocally),
            .branch(.askRegister), .branch(.release):
            throw Violation("step: \(flight.order), and the row is the register")
        }
    }

    private mutating func killWork(of branch: Int) {
        for index in flights.indices {
            if case .branch(.work(branch)) = flights[index].order { flights[index].isKilled = true }
        }
    }

    private mutating func deliverVote(
        _ flight: Flight, _ branch: Int, _ goesWrong: Bool, _ life: Int
    ) throws(Violation) {
        let isCancelled = drivers.contains { $0.life == life && $0.cancelled.contains(branch) }
        let reply: WorkReply
        switch flight.isKilled ? 4 : goesWrong || isCancelled ? random.below(6) : 5 {
        case 0:
            world.refuse(branch)
            reply = .refused
        case 1:
            world.prepare(branch)
            reply = .preparedAgainstVote(evidence(branch))
        case 2:
            world.prepare(branch)
            reply = .lost
        case 3:
            world.sites[branch].mayPrepareLate = true
            reply = .lost
        case 4:
            reply = .lost
        default:
            world.prepare(branch)
            reply = .prepared(evidence(branch))
        }
        if case .prepared = reply {} else { hasFailed = true }
        let event = Event.voted(branch: branch, reply)
        if let index = drivers.firstIndex(where: { $0.life == life }) {
            drivers[index].votes.append(event)
        }
        try deliver(event, to: life)
    }

    /// Something that nobody asked for.
    mutating func disturb() throws(Violation) {
        hasFailed = true
        switch random.below(12) {
        case 0, 1: crash()
        case 2: if let life = drivers.first?.life { try deliver(.rollbackRequested, to: life) }
        case 3:
            // Another replica aborts what is past its deadline.
            note("another replica aborts")
            if world.row != nil { _ = try world.tombstone() }
        case 4:
            let branch = random.below(world.sites.count)
            note("an operator ends branch \(branch)")
            world.meddle(branch, commits: random.percent(50))
        case 5, 6: prepareLate()
        case 7, 8: try repeatVote()
        case 9:
            note("an undecided row is lost")
            if random.percent(30) { world.loseUndecidedRow() }
        default: if drivers.count < 3 { _ = try recover() }
        }
    }

    private mutating func prepareLate() {
        for branch in world.sites.indices where world.sites[branch].mayPrepareLate {
            note("branch \(branch) prepares late")
            world.sites[branch].mayPrepareLate = false
            world.prepare(branch)
        }
    }

    /// A vote that was heard is heard again.
    private mutating func repeatVote() throws(Violation) {
        guard let driver = drivers.first, !driver.votes.isEmpty else { return }
        let vote = driver.votes[random.below(driver.votes.count)]
        try deliver(vote, to: driver.life, isEcho: true)
    }

    /// A process ends; what it had sent arrives late or never.
    private mutating func crash() {
        guard !drivers.isEmpty else { return }
        let life = drivers.remove(at: random.below(drivers.count)).life
        note("\(life) crashes")
        for index in flights.indices.reversed() where flights[index].driver == life {
            let flight = flights.remove(at: index)
            if case .branch(.work(let branch)) = flight.order {
                guard !flight.isKilled else { continue }
                switch random.below(3) {
                case 0: world.prepare(branch)
                case 1: world.sites[branch].mayPrepareLate = true
                default: break
                }
            } else if random.percent(60) {
                orphan(flight)
            }
        }
    }

    /// A recovery pass and an orphan scan by another process.
    ///
    /// False when they find nothing to do.
    mutating func recover() throws(Violation) -> Bool {
        let isPrepared = world.sites.contains { $0.standing == .prepared }
        if world.row == nil {
            guard isPrepared else { return false }
            note("the scan writes a tombstone")
            _ = try world.tombstone()
        }
        guard let row = world.row else { return false }
        guard row.isFinished else {
            let life = lives
            lives += 1
            drivers.append(Driver(life: life, branchCount: world.sites.count))
            let branches = world.sites.indices.map {
                RecoveredBranch(evidence: row.evidence[$0], outcome: row.outcomes[$0])
            }
            let recovered = RecoveredTransaction(decision: row.decision, branches: branches)
            try deliver(.adopt(recovered), to: life)
            return true
        }
        guard isPrepared else { return false }
        note("the scan ends a resurrected branch")
        for branch in world.sites.indices where world.sites[branch].standing == .prepared {
            guard row.decision == .abort else {
                throw Violation("I4: a finished commit left branch \(branch) prepared")
            }
            killWork(of: branch)
            _ = try world.rollBack(branch, nil, isFenced: true)
        }
        return true
    }
}
