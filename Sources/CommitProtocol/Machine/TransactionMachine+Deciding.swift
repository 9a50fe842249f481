extension TransactionMachine {
    /// Takes over a row.
    ///
    /// The fence comes before any belief that a gid is absent, so branches of an aborted row are
    /// doubtful; those of a committed row are proved by their evidence.
    mutating func adopt(_ recovered: RecoveredTransaction, _ step: inout Step) {
        precondition(phase == .idle, "a transaction is adopted once")
        precondition(recovered.branches.count == branches.count, "a row keeps its branches")
        hasReplied = true
        for (index, branch) in recovered.branches.enumerated() {
            recall(branch, index, recovered.decision)
        }
        let isDecidedAtCommitPoint =
            commitPoint.map { branches[$0].commitMode == .journal || recovered.isDelegated }
            ?? false
        if let decision = recovered.decision {
            if decision == .abort { cause = .decidedElsewhere }
            phase = .deciding(decision, viaTombstone: false)
            decided(decision, [], &step)
        } else if isDecidedAtCommitPoint {
            cause = .recovered
            phase = .queryingCommitPoint(isAccepted: true)
            queryCommitPoint(&step)
        } else {
            cause = .recovered
            phase = .deciding(.abort, viaTombstone: false)
            step.log = .decide(.abort)
        }
    }

    private mutating func recall(_ found: RecoveredBranch, _ index: Int, _ decision: Decision?) {
        branches[index].evidence = found.evidence
        switch branches[index].commitMode {
        case .twoPhase: branches[index].vote = found.evidence == nil ? nil : .prepared
        case .readOnly: branches[index].vote = decision == .commit ? .readOnly : nil
        case .onePhase, .journal: break
        }
        if let outcome = found.outcome {
            branches[index].progress = .ended(outcome)
            if !outcome.isAsDecided { notedCount += 1 }
        } else if decision == .commit {
            branches[index].progress = .recovered(found.evidence)
        } else {
            branches[index].progress = .doubtful
        }
    }

    /// The row holds a decision.
    ///
    /// Whoever wrote it, it is the only one there will ever be.
    mutating func decided(
        _ decision: Decision, _ evidence: [PreparedEvidence?], _ step: inout Step
    ) {
        switch phase {
        case .deciding(let asked, _):
            if decision == .abort, asked == .commit { cause = .decidedElsewhere }
        case .delegating:
            if decision == .abort { cause = .decidedElsewhere }
        case .copying(let copied, _):
            if decision != copied { commitPointWasOverruled() }
        case .idle, .preparing, .committingLocally, .queryingCommitPoint, .finishing, .withdrawing,
            .ended,
            .withdrawn, .undecidable:
            preconditionFailure("the log answers one decision once")
        }
        learn(evidence)
        if decision == .commit { cause = nil }
        phase = .finishing(decision)
        finishBranches(&step)
    }

    /// Only an operator's force can have put another decision into the row than the register holds;
    /// the branch did end the other way, and that is not hidden.
    private mutating func commitPointWasOverruled() {
        guard let commitPoint else { preconditionFailure("the row is the register") }
        switch branches[commitPoint].progress {
        case .ended(.committed): branches[commitPoint].progress = .ended(.heuristicCommit)
        case .ended(.rolledBack), .refused:
            branches[commitPoint].progress = .ended(.heuristicRollback)
        case .waiting, .working, .prepared, .held, .ready, .preparedAgainstVote, .doubtful,
            .recovered, .ended:
            break
        }
    }

    /// Orders the end of every branch; the caller may hear of a durable commit before.
    mutating func finishBranches(_ step: inout Step) {
        for branch in branches.indices { finishBranch(branch, &step) }
        endIfDone(&step)
        if repliesAtDecision, case .finishing(.commit) = phase { say(.committing, &step) }
    }

    /// No row holds a decision: an abort is written in its place, on the primary key, so that
    /// whoever comes later finds it.
    mutating func decisionMissing(_ step: inout Step) {
        switch phase {
        case .deciding(_, viaTombstone: false), .delegating:
            cause = cause ?? .acceptanceUnknown
            phase = .deciding(.abort, viaTombstone: true)
            step.log = .tombstone
        case .deciding(_, viaTombstone: true), .copying:
            // An insert that left no row is no answer: it is made again, and not in a hot loop.
            decisionUnknown(&step)
        case .idle, .preparing, .committingLocally, .queryingCommitPoint, .finishing, .withdrawing,
            .ended,
            .withdrawn, .undecidable:
            preconditionFailure("the log answers one decision once")
        }
    }

    /// The write may have landed, or may yet land.
    ///
    /// Nothing is done on either belief; the same request is made again, which is harmless: it
    /// writes only where nothing is decided.
    mutating func decisionUnknown(_ step: inout Step) {
        switch phase {
        case .deciding, .delegating, .copying: break
        case .idle, .preparing, .committingLocally, .queryingCommitPoint, .finishing, .withdrawing,
            .ended,
            .withdrawn, .undecidable:
            preconditionFailure("the log answers one decision once")
        }
        decisionRetries += 1
        let delay = Self.backoffMilliseconds(decisionRetries)
        step.timers.append(TimerRequest(timer: .decideAgain, delayMilliseconds: delay))
    }

    mutating func due(_ timer: Timer, _ step: inout Step) {
        switch timer {
        case .deadline:
            abort(.deadlinePassed, &step)
        case .decideAgain:
            decideAgain(&step)
        case .queryAgain:
            guard case .queryingCommitPoint = phase else { return }
            queryCommitPoint(&step)
        case .finishAgain(let branch):
            guard branches[branch].outcome == nil else { return }
            finishBranch(branch, &step)
            endIfDone(&step)
        case .finishWait:
            finishWaitPassed(&step)
        }
    }

    private func decideAgain(_ step: inout Step) {
        switch phase {
        case .deciding(_, viaTombstone: true): step.log = .tombstone
        case .deciding(let decision, viaTombstone: false): step.log = .decide(decision)
        case .delegating: step.log = .delegate
        case .copying(let decision, _): step.log = .copy(decision)
        case .idle, .preparing, .committingLocally, .queryingCommitPoint, .finishing, .withdrawing,
            .ended,
            .withdrawn, .undecidable:
            break
        }
    }

    /// Answers the caller with no more than is known when the answer cannot wait any longer.
    private mutating func finishWaitPassed(_ step: inout Step) {
        switch phase {
        case .deciding(.commit, _), .delegating, .committingLocally,
            .queryingCommitPoint(isAccepted: true):
            say(.outcomeUnknown, &step)
        case .deciding(.abort, _), .queryingCommitPoint(isAccepted: false),
            .copying(.abort, isAccepted: false):
            say(.neverCommits, &step)
        case .finishing where hasHeuristicOutcome:
            say(.needsOperator, &step)
        case .copying(.commit, _), .finishing(.commit):
            say(.committing, &step)
        case .copying(.abort, isAccepted: true), .finishing(.abort):
            say(.aborted(cause ?? .decidedElsewhere), &step)
        case .idle, .preparing, .withdrawing, .ended, .withdrawn, .undecidable: break
        }
    }

    /// The first reply is the answer; there is only one.
    mutating func say(_ reply: Reply, _ step: inout Step) {
        guard !hasReplied else { return }
        hasReplied = true
        step.reply = reply
    }

    mutating func armFinishWait(_ step: inout Step) {
        guard !isFinishWaitArmed else { return }
        isFinishWaitArmed = true
        step.timers.append(TimerRequest(timer: .finishWait, delayMilliseconds: nil))
    }

    /// 50 ms, doubling, at most 10 s; the shell adds jitter.
    static func backoffMilliseconds(_ attempt: Int) -> Int64 {
        min(10_000, 50 << Int64(min(attempt, 12) - 1))
    }
}
