extension TransactionMachine {
    mutating func begin(_ timing: AcceptanceTiming, _ step: inout Step) {
        precondition(phase == .idle, "a transaction begins once")
        phase = .preparing(isAccepted: false, abort: nil)
        step.log = .accept
        step.timers.append(TimerRequest(timer: .deadline, delayMilliseconds: nil))
        if timing == .overlapping { startWork(&step) }
    }

    mutating func accepted(at now: Int64, deadline: Int64, _ step: inout Step) {
        guard case .preparing(isAccepted: false, let abortCause) = phase else {
            preconditionFailure("the log answers one accept once")
        }
        phase = .preparing(isAccepted: true, abort: nil)
        if let abortCause { return abort(abortCause, &step) }
        startWork(&step)
        decideIfReady(at: now, deadline: deadline, &step)
    }

    /// Makes certain that the transaction never commits: its row may exist, or appear later.
    ///
    /// An abort takes the row's place. The accept is never repeated, since the first may still land.
    mutating func acceptUnknown(_ step: inout Step) {
        guard case .preparing(isAccepted: false, let earlier) = phase else {
            preconditionFailure("the log answers one accept once")
        }
        cause = earlier ?? .acceptanceUnknown
        if decidesInJournal { return abortAtCommitPoint(isAccepted: false, &step) }
        phase = .deciding(.abort, viaTombstone: true)
        step.log = .tombstone
        cancelWork(&step)
        armFinishWait(&step)
    }

    /// Rolls prepared branches back without a record.
    ///
    /// No row exists or will exist, since only this replica could have inserted it. So no other
    /// replica can decide.
    mutating func withdraw(replying reply: Reply, _ step: inout Step) {
        guard case .preparing(isAccepted: false, _) = phase else {
            preconditionFailure("the log answers one accept once")
        }
        phase = .withdrawing
        self.reply(with: reply, &step)
        cancelWork(&step)
        for branch in branches.indices { finishBranch(branch, &step) }
        endIfDone(&step)
    }

    mutating func voted(
        branch: Int, _ reply: WorkReply, at now: Int64, deadline: Int64, _ step: inout Step
    ) {
        // A branch that is not working has answered already; this is a duplicate.
        guard branches[branch].isWorking else { return }
        record(reply, of: branch)
        switch phase {
        case .preparing:
            if branches[branch].canCommit {
                decideIfReady(at: now, deadline: deadline, &step)
            } else {
                abort(.refused(branch: branch), &step)
            }
        case .finishing(.abort), .withdrawing:
            finishBranch(branch, &step)
            endIfDone(&step)
        case .deciding, .copying:
            // An abort is being recorded; its answer finishes the branches.
            break
        case .queryingCommitPoint:
            // The commit point's query had to wait for its vote; its decision finishes the others.
            if branch == commitPoint { queryCommitPoint(&step) }
        case .finishing(.commit):
            // The row says commit, although this branch had not voted here: obey the row.
            finishBranch(branch, &step)
            endIfDone(&step)
        case .undecidable:
            stopUndecided(&step)
        case .idle, .delegating, .committingLocally, .finished, .withdrawn:
            preconditionFailure("no branch works in \(phase)")
        }
    }

    private mutating func record(_ reply: WorkReply, of branch: Int) {
        switch reply {
        case .prepared(let evidence):
            branches[branch].progress = .prepared(evidence)
            branches[branch].vote = .prepared
            branches[branch].evidence = evidence
        case .preparedAgainstVote(let evidence):
            branches[branch].progress = .preparedAgainstVote(evidence)
            branches[branch].vote = .no
            branches[branch].evidence = evidence
        case .held:
            branches[branch].progress = .held
            branches[branch].vote = .readOnly
        case .ready(let evidence):
            branches[branch].progress = .ready(evidence)
            branches[branch].evidence = evidence
        case .refused:
            branches[branch].progress = .refused
            branches[branch].vote = .no
        case .lost:
            branches[branch].progress = .doubtful
            branches[branch].vote = .no
        }
    }

    /// Requests commit if every branch can commit and the row is durable, in time.
    mutating func decideIfReady(at now: Int64, deadline: Int64, _ step: inout Step) {
        guard case .preparing(isAccepted: true, abort: nil) = phase,
            branches.allSatisfy(\.canCommit)
        else { return }
        guard now < deadline else { return abort(.deadlinePassed, &step) }
        guard commitPoint == nil else { return decideAtCommitPoint(&step) }
        phase = .deciding(.commit, viaTombstone: false)
        step.log = .decide(.commit)
        armFinishWait(&step)
    }

    /// Requests abort, if no decision was requested yet.
    ///
    /// After a request to commit only the log's answer counts; an abort would race it.
    mutating func abort(_ why: AbortCause, _ step: inout Step) {
        switch phase {
        case .preparing(isAccepted: true, _):
            cause = why
            if decidesInJournal { return abortAtCommitPoint(isAccepted: true, &step) }
            phase = .deciding(.abort, viaTombstone: false)
            step.log = .decide(.abort)
            cancelWork(&step)
            armFinishWait(&step)
        case .preparing(isAccepted: false, let earlier):
            cause = earlier ?? why
            phase = .preparing(isAccepted: false, abort: cause)
            cancelWork(&step)
        case .idle, .deciding, .delegating, .committingLocally, .queryingCommitPoint, .copying,
            .finishing, .withdrawing, .finished, .withdrawn, .undecidable:
            break
        }
    }

    /// Whether a journal is the commit point, from the acceptance on.
    ///
    /// A one-phase branch becomes the commit point later, by delegation; until then the row is.
    private var decidesInJournal: Bool { commitPoint.map { branches[$0].commitMode } == .journal }

    private mutating func startWork(_ step: inout Step) {
        for branch in branches.indices where branches[branch].progress == .waiting {
            branches[branch].progress = .working
            step.commands.append(.work(branch: branch))
        }
    }

    func cancelWork(_ step: inout Step) {
        for branch in branches.indices where branches[branch].isWorking {
            step.commands.append(.cancel(branch: branch))
        }
    }
}
