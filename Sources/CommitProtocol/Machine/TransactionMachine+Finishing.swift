extension TransactionMachine {
    /// Finishes a branch by the decision and the branch's progress.
    mutating func finishBranch(_ branch: Int, _ step: inout Step) {
        if case .finishing(.commit) = phase { return commitBranch(branch, &step) }
        switch branches[branch].progress {
        case .waiting, .refused:
            branches[branch].progress = .finished(.rolledBack)
        case .working, .finished:
            // The pending vote finishes a working branch.
            break
        case .held, .ready:
            step.commands.append(.release(branch: branch, .abort))
        case .prepared, .preparedAgainstVote:
            step.commands.append(.rollbackPrepared(branch: branch))
        case .doubtful, .recovered:
            step.commands.append(.fenceAndRollBack(branch: branch))
        }
    }

    private mutating func commitBranch(_ branch: Int, _ step: inout Step) {
        switch (branches[branch].progress, branches[branch].commitMode) {
        case (.finished, _), (.working, _):
            break
        case (.held, _):
            step.commands.append(.release(branch: branch, .commit))
        case (.waiting, .readOnly), (.refused, .readOnly):
            // The row says commit, and a read-only branch has nothing to keep.
            branches[branch].progress = .finished(.committed)
        case (_, .readOnly):
            // Its session was lost or belonged to another incarnation. A commit keeps nothing of it,
            // but it may still hold locks: the transaction must not end before the session has.
            step.commands.append(.fenceAndRollBack(branch: branch))
        case (.recovered, .onePhase), (.recovered, .journal), (.doubtful, .onePhase),
            (.doubtful, .journal):
            // The row's decision is a copy of this branch's own COMMIT.
            branches[branch].progress = .finished(.committed)
        case (.ready, _), (.waiting, .onePhase), (.waiting, .journal), (.refused, .onePhase),
            (.refused, .journal):
            // An operator forced commit in the row; this branch never committed. End what is open.
            step.commands.append(.fenceAndRollBack(branch: branch))
        case (.prepared, _), (.preparedAgainstVote, _), (.recovered, .twoPhase),
            (.doubtful, .twoPhase), (.waiting, .twoPhase), (.refused, .twoPhase):
            // The row says commit, so commit, whatever this machine believed. Evidence judges an
            // absent gid; if nothing proves its outcome, that is reported.
            step.commands.append(.commitPrepared(branch: branch))
        }
    }

    mutating func finished(branch: Int, _ reply: FinishReply, _ step: inout Step) {
        guard branches[branch].outcome == nil else { return }
        let commits: Bool
        switch phase {
        case .finishing(let decision): commits = decision == .commit
        case .withdrawing: commits = false
        case .idle, .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint,
            .copying, .finished, .withdrawn, .undecidable:
            preconditionFailure("no branch finishes in \(phase)")
        }
        let isCommitPoint = branches[branch].commitMode.isCommitPoint
        switch reply {
        case .done where commits && isCommitPoint:
            // An operator forced commit in the row; the commit point has rolled back.
            branches[branch].progress = .finished(.heuristicRollback)
        case .done where commits && branches[branch].commitMode == .readOnly,
            .provedRolledBack where commits && branches[branch].commitMode == .readOnly:
            branches[branch].progress = .finished(.committed)
        case .done:
            branches[branch].progress = .finished(commits ? .committed : .rolledBack)
        case .provedCommitted:
            branches[branch].progress = .finished(commits ? .committed : .heuristicCommit)
        case .provedRolledBack:
            branches[branch].progress = .finished(commits ? .heuristicRollback : .rolledBack)
        case .unprovable:
            branches[branch].progress = .finished(.heuristicHazard)
        case .tryAgain:
            loseHeldSession(of: branch)
            branches[branch].retries += 1
            let delay = Self.backoffMilliseconds(branches[branch].retries)
            step.timers.append(
                TimerRequest(timer: .finishAgain(branch: branch), delayMilliseconds: delay))
            return
        }
        endIfDone(&step)
    }

    /// Leaves a held session that did not answer to the fence.
    private mutating func loseHeldSession(of branch: Int) {
        switch branches[branch].progress {
        case .held: branches[branch].progress = .doubtful
        case .ready: branches[branch].progress = phase == .finishing(.commit) ? .refused : .doubtful
        case .waiting, .working, .prepared, .preparedAgainstVote, .refused, .doubtful, .recovered,
            .finished:
            break
        }
    }

    /// Records a heuristic outcome at once; other branches may wait long for their participants.
    mutating func noteHeuristics(_ step: inout Step) {
        guard case .finishing = phase, heuristicCount > notedCount else { return }
        notedCount = heuristicCount
        step.log = .noteOutcomes
    }

    /// Ends the transaction when every branch has finished.
    mutating func endIfDone(_ step: inout Step) {
        guard branches.allSatisfy({ $0.outcome != nil }) else { return }
        switch phase {
        case .finishing(let decision):
            phase = .finished(decision)
            step.log = .finish
            step.isLast = true
            if state == .needsOperator {
                reply(with: .needsOperator, &step)
            } else {
                reply(
                    with: decision == .commit ? .committed : .aborted(cause ?? .decidedElsewhere),
                    &step)
            }
        case .withdrawing:
            phase = .withdrawn
            step.isLast = true
        case .idle, .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint,
            .copying, .finished, .withdrawn, .undecidable:
            preconditionFailure("branches finish only by a decision")
        }
    }
}
