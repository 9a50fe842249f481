internal import CommitProtocol

/// Orders arrive, or do not, and are answered, or are not.
extension Simulation {
    mutating func land(
        _ flight: Flight, _ fate: Fate, _ outside: Outside
    ) throws(Violation) {
        guard let index = flights.firstIndex(of: flight) else { return }
        flights.remove(at: index)
        if outside.isNoted { outside.note("\(flight.prose): \(fate)") }
        if case .branch(.queryCommitPoint(let branch)) = flight.order,
            world.isRefused(askingFor: branch, by: flight.sender)
        {
            return exit(flight.sender, outside)
        }
        guard let incarnation = flight.incarnation else {
            // Its sender is gone: it is carried out, or never is.
            if fate == .done { _ = try carryOut(flight) }
            return
        }
        if fate != .done { hasFailed = true }
        if case .branch(.work(let branch)) = flight.order {
            return try landWork(of: branch, fate, incarnation, outside)
        }
        if case .branch(.commitLocally(let branch)) = flight.order {
            return try landCommit(of: branch, flight, fate, incarnation, outside)
        }
        switch fate {
        case .done:
            if let event = try carryOut(flight) { try deliver(event, to: incarnation, outside) }
            return
        case .unavailable: return try deliver(.acceptUnavailable, to: incarnation, outside)
        case .lostReply, .refused, .against: _ = try carryOut(flight)
        case .onlyVisible:
            if let event = try showOnly(flight) {
                return try deliver(event, to: incarnation, outside)
            }
        case .lost: break
        case .late:
            var late = flight
            late.incarnation = nil
            late.due = outside.now + outside.latency()
            flights.append(late)
        }
        if let event = unknown(flight.order) { try deliver(event, to: incarnation, outside) }
    }

    /// A write is visible, and not durable; its answer, if there is one all the same.
    private mutating func showOnly(_ flight: Flight) throws(Violation) -> Event? {
        switch flight.order {
        case .log(.decide(let decision)):
            let event = try world.decide(decision, flight.evidence, isReplicated: false)
            return event == .decisionUnknown ? nil : event
        case .log(.finish):
            try world.finish(
                flight.outcomes, flight.decision, flight.evidence, by: flight.sender,
                isReplicated: false)
            return nil
        case .log, .branch: return nil
        }
    }

    /// A superseded process closes everything and ends.
    private mutating func exit(_ incarnation: Int, _ outside: Outside) {
        guard let index = index(of: incarnation) else { return }
        if outside.isNoted { outside.note("life \(incarnation) is superseded, and ends") }
        incarnations.remove(at: index)
        for index in flights.indices where flights[index].incarnation == incarnation {
            flights[index].incarnation = nil
        }
    }

    /// What the sender of an order hears when there is no answer.
    private func unknown(_ order: Flight.Order) -> Event? {
        switch order {
        case .log(.accept): .acceptUnknown
        case .log(.decide), .log(.tombstone), .log(.delegate), .log(.copy): .decisionUnknown
        case .log(.finish), .log(.report), .log(.noteOutcomes): nil
        case .branch(.commitPrepared(let branch)), .branch(.rollbackPrepared(let branch)),
            .branch(.fenceAndRollBack(let branch)), .branch(.release(let branch, _)):
            .finished(branch: branch, .tryAgain)
        case .branch(.queryCommitPoint): .commitPointAnswered(.tryAgain)
        case .branch(.work), .branch(.commitLocally), .branch(.cancel): nil
        }
    }

    /// Carries an order out; the true answer.
    private mutating func carryOut(_ flight: Flight) throws(Violation) -> Event? {
        switch flight.order {
        case .log(let request): try carryOut(request, flight)
        case .branch(let command): try carryOut(command, flight)
        }
    }

    private mutating func carryOut(
        _ request: LogRequest, _ flight: Flight
    ) throws(Violation) -> Event? {
        switch request {
        case .accept: return world.accept()
        case .decide(let decision):
            return try world.decide(
                decision, flight.evidence, hasReadDecided: flight.hasReadDecided)
        case .tombstone: return try world.tombstone()
        case .delegate: return try world.delegate(flight.evidence)
        case .copy(let decision): return try world.copy(decision, flight.evidence)
        case .finish:
            try world.finish(
                flight.outcomes, flight.decision, flight.evidence, by: flight.sender)
        case .report: world.row?.isReported = true
        case .noteOutcomes: world.note(flight.outcomes, by: flight.sender)
        }
        return nil
    }

    private mutating func carryOut(
        _ command: BranchCommand, _ flight: Flight
    ) throws(Violation) -> Event? {
        switch command {
        case .commitPrepared(let branch):
            .finished(branch: branch, try world.commit(branch, flight.evidence[branch]))
        case .rollbackPrepared(let branch):
            .finished(
                branch: branch,
                try world.rollBack(branch, flight.evidence[branch], isFenced: false))
        case .fenceAndRollBack(let branch):
            .finished(
                branch: branch,
                try world.rollBack(branch, flight.evidence[branch], isFenced: true))
        case .release(let branch, let decision):
            .finished(branch: branch, world.release(branch, decision))
        case .queryCommitPoint(let branch):
            .commitPointAnswered(try world.queryCommitPoint(branch))
        case .work, .commitLocally, .cancel: nil
        }
    }

    /// A branch's work; a vote is heard in every case, since a session's end is noticed.
    private mutating func landWork(
        of branch: Int, _ fate: Fate, _ incarnation: Int, _ outside: Outside
    ) throws(Violation) {
        var fate = fate
        let isCancelled =
            index(of: incarnation).map { incarnations[$0].cancelled & 1 << branch != 0 } ?? false
        if isCancelled, fate == .done { fate = .refused }
        let isCounted = world.broken == .sessionsUnregistered || !world.sites[branch].isFenced
        var reply = WorkReply.lost
        switch fate {
        case _ where !isCounted: break
        case .refused:
            world.refuse(branch)
            reply = .refused
        case .against:
            _ = try world.work(branch)
            reply = .preparedAgainstVote(evidence(branch))
        case .lostReply:
            _ = try world.work(branch)
        case .late:
            world.sites[branch].session = .workReplyLost
        case .lost, .unavailable, .onlyVisible:
            world.sites[branch].session = .gone
        case .done:
            _ = try world.work(branch)
            switch world.sites[branch].commitMode {
            case .twoPhase: reply = .prepared(evidence(branch))
            case .readOnly: reply = .held
            case .onePhase, .journal: reply = .ready(evidence(branch))
            }
        }
        if reply == .lost || reply == .refused { hasFailed = true }
        let event = Event.voted(branch: branch, reply)
        if setting.echoes, let index = index(of: incarnation) {
            incarnations[index].votes.append(event)
        }
        try deliver(event, to: incarnation, outside)
    }

    /// The register's COMMIT; a connection that is lost leaves it to run, or not.
    private mutating func landCommit(
        of branch: Int, _ flight: Flight, _ fate: Fate, _ incarnation: Int, _ outside: Outside
    ) throws(Violation) {
        var reply = LocalCommitReply.unknown
        let isOpen = world.sites[branch].session == .holds && !world.sites[branch].isFenced
        switch fate {
        case _ where !isOpen: break
        case .done: reply = try world.commitLocally(branch, flight.evidence)
        case .refused:
            world.sites[branch].endSession()
            reply = .rolledBack
        case .lostReply: _ = try world.commitLocally(branch, flight.evidence)
        case .late: world.sites[branch].session = .commitReplyLost
        case .against, .unavailable, .onlyVisible, .lost: world.sites[branch].endSession()
        }
        if reply == .unknown, world.broken == .onePhaseRetried {
            if world.sites[branch].commitMode == .onePhase { try runAgain(branch, flight) }
        }
        if reply != .committed { hasFailed = true }
        try deliver(.localCommitAnswered(reply), to: incarnation, outside)
    }

    /// The mistake of `onePhaseRetried`: work and COMMIT once more, on a new session.
    private mutating func runAgain(_ branch: Int, _ flight: Flight) throws(Violation) {
        world.sites[branch].standing = .open
        _ = try world.runLocalCommit(branch, flight.evidence)
    }
}
