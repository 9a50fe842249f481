extension TransactionMachine {
    /// Takes over a row.
    ///
    /// A gid counts as absent only after the fence, so the branches of an aborted row are doubtful.
    /// Evidence proves those of a committed row.
    mutating func adopt(_ recovered: RecoveredTransaction, _ step: inout Step) {
        precondition(phase == .idle, "a transaction is adopted once")
        precondition(recovered.branches.count == branches.count, "a row keeps its branches")
        hasReplied = true
        for (index, branch) in recovered.branches.enumerated() {
            restore(index, from: branch, decision: recovered.decision)
        }
        let isDecidedAtCommitPoint =
            commitPoint.map { branches[$0].commitMode == .journal || recovered.isDelegated }
            ?? false
        if let decision = recovered.decision {
            if decision == .abort { cause = .decidedElsewhere }
            phase = .deciding(decision, viaTombstone: false)
            decided(decision, evidence: [], &step)
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

    private mutating func restore(
        _ index: Int, from found: RecoveredBranch, decision: Decision?
    ) {
        branches[index].evidence = found.evidence
        switch branches[index].commitMode {
        case .twoPhase: branches[index].vote = found.evidence == nil ? nil : .prepared
        case .readOnly: branches[index].vote = decision == .commit ? .readOnly : nil
        case .onePhase, .journal: break
        }
        if let outcome = found.outcome {
            branches[index].progress = .finished(outcome)
            if !outcome.isAsDecided { notedCount += 1 }
        } else if decision == .commit {
            branches[index].progress = .recovered(found.evidence)
        } else {
            branches[index].progress = .doubtful
        }
    }

    /// Finishes the branches by the decision in the row.
    ///
    /// It is final, whichever replica or operator wrote it.
    mutating func decided(
        _ decision: Decision, evidence: [PreparedEvidence?], _ step: inout Step
    ) {
        switch phase {
        case .deciding(let asked, _):
            if decision == .abort, asked == .commit { cause = .decidedElsewhere }
        case .delegating:
            if decision == .abort { cause = .decidedElsewhere }
        case .copying(let copied, _):
            if decision != copied { commitPointWasOverruled() }
        case .idle, .preparing, .committingLocally, .queryingCommitPoint, .finishing, .withdrawing,
            .finished, .withdrawn, .undecidable:
            preconditionFailure("the log answers one decision once")
        }
        addEvidence(evidence)
        if decision == .commit { cause = nil }
        phase = .finishing(decision)
        finishBranches(&step)
    }

    /// Marks the commit point's outcome as heuristic.
    ///
    /// Only an operator's force can have recorded a decision in the row that differs from the commit
    /// point's. The branch is finished the other way, which must not be hidden.
    private mutating func commitPointWasOverruled() {
        guard let commitPoint else { preconditionFailure("the row is the commit point") }
        switch branches[commitPoint].progress {
        case .finished(.committed): branches[commitPoint].progress = .finished(.heuristicCommit)
        case .finished(.rolledBack), .refused:
            branches[commitPoint].progress = .finished(.heuristicRollback)
        case .waiting, .working, .prepared, .held, .ready, .preparedAgainstVote, .doubtful,
            .recovered, .finished:
            break
        }
    }

    /// Finishes every branch; the reply about a durable commit may come before that.
    mutating func finishBranches(_ step: inout Step) {
        for branch in branches.indices { finishBranch(branch, &step) }
        endIfDone(&step)
        if repliesAtDecision, case .finishing(.commit) = phase { reply(with: .committing, &step) }
    }

    /// Records an abort on the primary key, since no row holds a decision; later readers find it.
    mutating func decisionMissing(_ step: inout Step) {
        switch phase {
        case .deciding(_, viaTombstone: false), .delegating:
            cause = cause ?? .acceptanceUnknown
            phase = .deciding(.abort, viaTombstone: true)
            step.log = .tombstone
        case .deciding(_, viaTombstone: true), .copying:
            // An insert that left no row is no answer: repeat it, with a delay.
            decisionUnknown(&step)
        case .idle, .preparing, .committingLocally, .queryingCommitPoint, .finishing, .withdrawing,
            .finished, .withdrawn, .undecidable:
            preconditionFailure("the log answers one decision once")
        }
    }

    /// Repeats the request, since its write may have landed or may land later.
    ///
    /// Repeating is harmless: the request writes only if nothing is decided.
    mutating func decisionUnknown(_ step: inout Step) {
        switch phase {
        case .deciding, .delegating, .copying: break
        case .idle, .preparing, .committingLocally, .queryingCommitPoint, .finishing, .withdrawing,
            .finished, .withdrawn, .undecidable:
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
            .finished, .withdrawn, .undecidable:
            break
        }
    }

    /// Replies with what is known, since the caller should not wait any longer.
    private mutating func finishWaitPassed(_ step: inout Step) {
        switch phase {
        case .deciding(.commit, _), .delegating, .committingLocally,
            .queryingCommitPoint(isAccepted: true):
            reply(with: .outcomeUnknown, &step)
        case .deciding(.abort, _), .queryingCommitPoint(isAccepted: false),
            .copying(.abort, isAccepted: false):
            reply(with: .neverCommits, &step)
        case .finishing where hasHeuristicOutcome:
            reply(with: .needsOperator, &step)
        case .copying(.commit, _), .finishing(.commit):
            reply(with: .committing, &step)
        case .copying(.abort, isAccepted: true), .finishing(.abort):
            reply(with: .aborted(cause ?? .decidedElsewhere), &step)
        case .idle, .preparing, .withdrawing, .finished, .withdrawn, .undecidable: break
        }
    }

    /// Replies to the caller, once.
    mutating func reply(with reply: Reply, _ step: inout Step) {
        guard !hasReplied else { return }
        hasReplied = true
        step.reply = reply
    }

    mutating func armFinishWait(_ step: inout Step) {
        guard !isFinishWaitArmed else { return }
        isFinishWaitArmed = true
        step.timers.append(TimerRequest(timer: .finishWait, delayMilliseconds: nil))
    }

    /// 50 ms, doubling up to 10 s; the engine adds jitter.
    static func backoffMilliseconds(_ attempt: Int) -> Int64 {
        min(10_000, 50 << Int64(min(attempt, 12) - 1))
    }
}
