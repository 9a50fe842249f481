internal import CommitProtocol

/// Messages are executed and answered, or not.
extension Simulation {
    mutating func process(
        _ message: Message, fate: Fate, _ context: Context
    ) throws(Violation) {
        guard let index = messages.firstIndex(of: message) else { return }
        messages.remove(at: index)
        if context.isNoted { context.note("\(message.prose): \(fate)") }
        if case .branch(.queryCommitPoint(let branch)) = message.content,
            world.isRefused(queryOf: branch, by: message.sender)
        {
            return exit(message.sender, context)
        }
        guard let incarnation = message.incarnation else {
            // The sender is gone: execute the message, or never.
            if fate == .done { _ = try execute(message) }
            return
        }
        if fate != .done { hasFailed = true }
        if case .branch(.work(let branch)) = message.content {
            return try processWork(of: branch, fate: fate, for: incarnation, context)
        }
        if case .branch(.commitLocally(let branch)) = message.content {
            return try processLocalCommit(
                of: branch, message, fate: fate, for: incarnation, context)
        }
        switch fate {
        case .done:
            if let event = try execute(message) { try deliver(event, to: incarnation, context) }
            return
        case .unavailable: return try deliver(.acceptUnavailable, to: incarnation, context)
        case .lostReply, .refused, .preparedAgainstVote: _ = try execute(message)
        case .onlyVisible:
            if let event = try showOnly(message) {
                return try deliver(event, to: incarnation, context)
            }
        case .lost: break
        case .late:
            var late = message
            late.incarnation = nil
            late.due = context.now + context.latency()
            messages.append(late)
        }
        if let event = unknown(message.content) { try deliver(event, to: incarnation, context) }
    }

    /// Makes a write visible but not durable; returns its answer if it has one.
    private mutating func showOnly(_ message: Message) throws(Violation) -> Event? {
        switch message.content {
        case .log(.decide(let decision)):
            let event = try world.decide(decision, message.evidence, isReplicated: false)
            return event == .decisionUnknown ? nil : event
        case .log(.finish):
            try world.finish(
                message.outcomes, decision: message.decision, evidence: message.evidence,
                by: message.sender,
                isReplicated: false)
            return nil
        case .log, .branch: return nil
        }
    }

    /// Ends a superseded incarnation.
    private mutating func exit(_ incarnation: Int, _ context: Context) {
        guard let index = index(of: incarnation) else { return }
        if context.isNoted { context.note("incarnation \(incarnation) is superseded") }
        incarnations.remove(at: index)
        for index in messages.indices where messages[index].incarnation == incarnation {
            messages[index].incarnation = nil
        }
    }

    /// The event for a sender that gets no answer.
    private func unknown(_ content: Message.Content) -> Event? {
        switch content {
        case .log(.accept): .acceptUnknown
        case .log(let request): request.isLazy ? nil : .decisionUnknown
        case .branch(.commitPrepared(let branch)), .branch(.rollbackPrepared(let branch)),
            .branch(.fenceAndRollBack(let branch)), .branch(.release(let branch, _)):
            .finished(branch: branch, .tryAgain)
        case .branch(.queryCommitPoint): .commitPointAnswered(.tryAgain)
        case .branch(.work), .branch(.commitLocally), .branch(.cancel): nil
        }
    }

    /// Executes a message and returns its answer.
    private mutating func execute(_ message: Message) throws(Violation) -> Event? {
        switch message.content {
        case .log(let request): try execute(request, message)
        case .branch(let command): try execute(command, message)
        }
    }

    private mutating func execute(
        _ request: LogRequest, _ message: Message
    ) throws(Violation) -> Event? {
        switch request {
        case .accept: return world.accept()
        case .decide(let decision):
            return try world.decide(
                decision, message.evidence, hasReadDecided: message.hasReadDecided)
        case .tombstone: return try world.tombstone()
        case .delegate: return try world.delegate(message.evidence)
        case .copy(let decision): return try world.copy(decision, message.evidence)
        case .finish:
            try world.finish(
                message.outcomes, decision: message.decision, evidence: message.evidence,
                by: message.sender)
        case .report: world.row?.isReported = true
        case .noteOutcomes: world.note(message.outcomes, by: message.sender)
        }
        return nil
    }

    private mutating func execute(
        _ command: BranchCommand, _ message: Message
    ) throws(Violation) -> Event? {
        switch command {
        case .commitPrepared(let branch):
            .finished(branch: branch, try world.commit(branch, message.evidence[branch]))
        case .rollbackPrepared(let branch):
            .finished(
                branch: branch,
                try world.rollBack(branch, message.evidence[branch], isFenced: false))
        case .fenceAndRollBack(let branch):
            .finished(
                branch: branch,
                try world.rollBack(branch, message.evidence[branch], isFenced: true))
        case .release(let branch, let decision):
            .finished(branch: branch, world.release(branch, decision))
        case .queryCommitPoint(let branch):
            .commitPointAnswered(try world.queryCommitPoint(branch))
        case .work, .commitLocally, .cancel: nil
        }
    }

    /// Runs a branch's work; its sender always gets a vote, since it notices a lost session.
    private mutating func processWork(
        of branch: Int, fate: Fate, for incarnation: Int, _ context: Context
    ) throws(Violation) {
        var fate = fate
        let isCancelled =
            index(of: incarnation).map { incarnations[$0].cancelled & 1 << branch != 0 } ?? false
        if isCancelled, fate == .done { fate = .refused }
        let isCounted = world.broken == .sessionsUnrecorded || !world.sites[branch].isFenced
        var reply = WorkReply.lost
        switch fate {
        case _ where !isCounted: break
        case .refused:
            world.refuse(branch)
            reply = .refused
        case .preparedAgainstVote:
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
        try deliver(event, to: incarnation, context)
    }

    /// The commit point's COMMIT; a connection that is lost leaves it to run, or not.
    private mutating func processLocalCommit(
        of branch: Int, _ message: Message, fate: Fate, for incarnation: Int, _ context: Context
    ) throws(Violation) {
        var reply = LocalCommitReply.unknown
        let isOpen = world.sites[branch].session == .holds && !world.sites[branch].isFenced
        switch fate {
        case _ where !isOpen: break
        case .done: reply = try world.commitLocally(branch, message.evidence)
        case .refused:
            world.sites[branch].endSession()
            reply = .rolledBack
        case .lostReply: _ = try world.commitLocally(branch, message.evidence)
        case .late: world.sites[branch].session = .commitReplyLost
        case .preparedAgainstVote, .unavailable, .onlyVisible, .lost:
            world.sites[branch].endSession()
        }
        if reply == .unknown, world.broken == .onePhaseRetried {
            if world.sites[branch].commitMode == .onePhase { try runAgain(branch, message) }
        }
        if reply != .committed { hasFailed = true }
        try deliver(.localCommitAnswered(reply), to: incarnation, context)
    }

    /// The mistake of `onePhaseRetried`: work and COMMIT once more, on a new session.
    private mutating func runAgain(_ branch: Int, _ message: Message) throws(Violation) {
        world.sites[branch].standing = .open
        _ = try world.runLocalCommit(branch, message.evidence)
    }
}
