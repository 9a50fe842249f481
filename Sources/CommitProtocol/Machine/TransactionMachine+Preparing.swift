extension TransactionMachine {
    mutating func begin(_ order: AcceptanceTiming, _ step: inout Step) {
        precondition(phase == .idle, "a transaction begins once")
        phase = .preparing(isAccepted: false, abort: nil)
        step.log = .accept
        step.timers.append(TimerRequest(timer: .deadline, delayMilliseconds: nil))
        if order == .overlapping { startWork(&step) }
    }

    mutating func accepted(_ now: Int64, _ deadline: Int64, _ step: inout Step) {
        switch phase {
        case .preparing(isAccepted: false, let abortCause):
            phase = .preparing(isAccepted: true, abort: nil)
            if let abortCause {
                abort(abortCause, &step)
            } else {
                startWork(&step)
                decideIfReady(now, deadline, &step)
            }
        case .idle, .preparing(isAccepted: true, _), .deciding, .delegating, .committingLocally,
            .queryingCommitPoint,
            .copying, .finishing, .withdrawing, .ended, .withdrawn, .undecidable:
            preconditionFailure("the log answers one accept once")
        }
    }

    /// The row may exist or not, and may appear later.
    ///
    /// An abort in its place makes it certain that it never commits; the accept itself is never
    /// sent again, since the first one may yet land.
    mutating func acceptUnknown(_ step: inout Step) {
        switch phase {
        case .preparing(isAccepted: false, let earlier):
            cause = earlier ?? .acceptanceUnknown
            if decidesInJournal { return abortAtCommitPoint(isAccepted: false, &step) }
            phase = .deciding(.abort, viaTombstone: true)
            step.log = .tombstone
            cancelWork(&step)
            armFinishWait(&step)
        case .idle, .preparing(isAccepted: true, _), .deciding, .delegating, .committingLocally,
            .queryingCommitPoint,
            .copying, .finishing, .withdrawing, .ended, .withdrawn, .undecidable:
            preconditionFailure("the log answers one accept once")
        }
    }

    /// No row exists, and none will: this coordinator alone could have made one.
    ///
    /// Nobody else can decide, so what is prepared is rolled back without a record.
    mutating func withdraw(replying reply: Reply, _ step: inout Step) {
        guard case .preparing(isAccepted: false, _) = phase else {
            preconditionFailure("the log answers one accept once")
        }
        phase = .withdrawing
        say(reply, &step)
        cancelWork(&step)
        for branch in branches.indices { finishBranch(branch, &step) }
        endIfDone(&step)
    }

    mutating func voted(
        _ branch: Int, _ reply: WorkReply, _ now: Int64, _ deadline: Int64, _ step: inout Step
    ) {
        // A branch that is not working has answered already: a duplicate says nothing new.
        guard branches[branch].isWorking else { return }
        count(reply, of: branch)
        switch phase {
        case .preparing:
            if branches[branch].isInFavor {
                decideIfReady(now, deadline, &step)
            } else {
                abort(.refused(branch: branch), &step)
            }
        case .finishing(.abort), .withdrawing:
            finishBranch(branch, &step)
            endIfDone(&step)
        case .deciding, .copying:
            // An abort is being recorded; its answer orders the ends.
            break
        case .queryingCommitPoint:
            // The others are ended by what the register holds; it could not be asked before.
            if branch == commitPoint { queryCommitPoint(&step) }
        case .finishing(.commit):
            // Commit was found in the row although a branch had not voted here: obey it.
            finishBranch(branch, &step)
            endIfDone(&step)
        case .undecidable:
            stopUndecided(&step)
        case .idle, .delegating, .committingLocally, .ended, .withdrawn:
            preconditionFailure("no branch works in \(phase)")
        }
    }

    private mutating func count(_ reply: WorkReply, of branch: Int) {
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

    /// Asks for commit when every branch voted yes and the row is durable, in time.
    mutating func decideIfReady(_ now: Int64, _ deadline: Int64, _ step: inout Step) {
        guard case .preparing(isAccepted: true, abort: nil) = phase,
            branches.allSatisfy(\.isInFavor)
        else { return }
        guard now < deadline else { return abort(.deadlinePassed, &step) }
        guard commitPoint == nil else { return decideAtCommitPoint(&step) }
        phase = .deciding(.commit, viaTombstone: false)
        step.log = .decide(.commit)
        armFinishWait(&step)
    }

    /// Turns towards abort, if nothing was asked of the log yet.
    ///
    /// Once commit was asked, only the log's answer counts: an abort would race it.
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
            .finishing,
            .withdrawing, .ended, .withdrawn, .undecidable:
            break
        }
    }

    /// Whether the journal is the register from the acceptance on.
    ///
    /// A one-phase branch becomes the register later, by delegation; until then the row is.
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
