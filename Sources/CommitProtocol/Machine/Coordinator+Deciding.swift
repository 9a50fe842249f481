extension Coordinator {
    /// Takes over a row.
    ///
    /// The fence comes before any belief that a gid is absent, so branches of an aborted row are
    /// doubtful; those of a committed row are proved by their evidence.
    mutating func adopt(_ recovered: RecoveredTransaction, _ step: inout Step) {
        precondition(phase == .idle, "a transaction is adopted once")
        precondition(recovered.branches.count == branches.count, "a row keeps its branches")
        hasReplied = true
        for (index, branch) in recovered.branches.enumerated() {
            branches[index].evidence = branch.evidence
            branches[index].vote = branch.evidence == nil ? nil : .prepared
            if let outcome = branch.outcome {
                branches[index].progress = .ended(outcome)
            } else if recovered.decision == .commit {
                branches[index].progress = .recovered(branch.evidence)
            } else {
                branches[index].progress = .doubtful
            }
        }
        if let decision = recovered.decision {
            if decision == .abort { cause = .decidedElsewhere }
            phase = .deciding(decision, viaTombstone: false)
            decided(decision, [], &step)
        } else {
            cause = .recovered
            phase = .deciding(.abort, viaTombstone: false)
            step.log = .decide(.abort)
        }
    }

    /// The row holds a decision.
    ///
    /// Whoever wrote it, it is the only one there will ever be.
    mutating func decided(
        _ decision: Decision, _ evidence: [PreparedEvidence?], _ step: inout Step
    ) {
        guard case .deciding(let asked, _) = phase else {
            preconditionFailure("the log answers one decision once")
        }
        // A row that was undecided when it was adopted had no evidence yet. If its former owner was
        // only paused and won with commit, the evidence came with that decision; without it a
        // branch which that owner commits first would look lost here.
        for (index, found) in evidence.enumerated() where branches.indices.contains(index) {
            branches[index].evidence = branches[index].evidence ?? found
        }
        if decision == .abort, asked == .commit { cause = .decidedElsewhere }
        if decision == .commit { cause = nil }
        phase = .finishing(decision)
        for branch in branches.indices { orderEnd(branch, &step) }
        endIfDone(&step)
    }

    /// No row holds a decision: an abort is written in its place, on the primary key, so that
    /// whoever comes later finds it.
    mutating func decisionMissing(_ step: inout Step) {
        guard case .deciding(_, let viaTombstone) = phase else {
            preconditionFailure("the log answers one decision once")
        }
        // A tombstone that left no row is no answer: it is written again, and not in a hot loop.
        if viaTombstone { return decisionUnknown(&step) }
        cause = cause ?? .acceptanceUnknown
        phase = .deciding(.abort, viaTombstone: true)
        step.log = .tombstone
    }

    /// The write may have landed, or may yet land.
    ///
    /// Nothing is done on either belief; the same request is made again, which is harmless: it
    /// writes only where nothing is decided.
    mutating func decisionUnknown(_ step: inout Step) {
        guard case .deciding = phase else {
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
            guard case .deciding(let decision, let viaTombstone) = phase else { return }
            step.log = viaTombstone ? .tombstone : .decide(decision)
        case .finishAgain(let branch):
            guard branches[branch].outcome == nil else { return }
            orderEnd(branch, &step)
        case .finishWait:
            finishWaitPassed(&step)
        }
    }

    /// Answers the caller with no more than is known when the answer cannot wait any longer.
    private mutating func finishWaitPassed(_ step: inout Step) {
        switch phase {
        case .deciding(.commit, _): say(.outcomeUnknown, &step)
        case .deciding(.abort, _): say(.neverCommits, &step)
        case .finishing(.commit): say(.committing, &step)
        case .finishing(.abort): say(.aborted(cause ?? .decidedElsewhere), &step)
        case .idle, .preparing, .withdrawing, .ended, .withdrawn: break
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
