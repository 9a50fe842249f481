extension TransactionMachine {
    /// Orders the end of a branch, by the decision and by where the branch stands.
    mutating func finishBranch(_ branch: Int, _ step: inout Step) {
        if case .finishing(.commit) = phase { return commitBranch(branch, &step) }
        switch branches[branch].progress {
        case .waiting, .refused:
            branches[branch].progress = .ended(.rolledBack)
        case .working, .ended:
            // The vote that is still to come orders the end.
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
        case (.ended, _), (.working, _):
            break
        case (.held, _):
            step.commands.append(.release(branch: branch, .commit))
        case (.waiting, .readOnly), (.refused, .readOnly):
            // Commit was found in the row, and there is nothing here that a commit would keep.
            branches[branch].progress = .ended(.committed)
        case (_, .readOnly):
            // Its session was lost or was another life's. A commit keeps nothing of it, but as long
            // as it may be open it holds locks: the transaction has not ended before it is gone.
            step.commands.append(.fenceAndRollBack(branch: branch))
        case (.recovered, .onePhase), (.recovered, .journal), (.doubtful, .onePhase),
            (.doubtful, .journal):
            // The row's commit is a copy of what this branch's own COMMIT decided.
            branches[branch].progress = .ended(.committed)
        case (.ready, _), (.waiting, .onePhase), (.waiting, .journal), (.refused, .onePhase),
            (.refused, .journal):
            // Commit was forced upon the row and never happened here; what is open is ended.
            step.commands.append(.fenceAndRollBack(branch: branch))
        case (.prepared, _), (.preparedAgainstVote, _), (.recovered, .twoPhase),
            (.doubtful, .twoPhase), (.waiting, .twoPhase), (.refused, .twoPhase):
            // Where the row says commit, commit is ordered whatever is believed here; an absent
            // gid is then judged by evidence, and reported if nothing proves it.
            step.commands.append(.commitPrepared(branch: branch))
        }
    }

    mutating func finished(_ branch: Int, _ reply: FinishReply, _ step: inout Step) {
        guard branches[branch].outcome == nil else { return }
        let commits: Bool
        switch phase {
        case .finishing(let decision): commits = decision == .commit
        case .withdrawing: commits = false
        case .idle, .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint,
            .copying, .ended,
            .withdrawn, .undecidable:
            preconditionFailure("no branch is being ended in \(phase)")
        }
        let isCommitPoint = branches[branch].commitMode.isCommitPoint
        switch reply {
        case .done where commits && isCommitPoint:
            // A commit that was forced upon the row, and a register that was told to roll back.
            branches[branch].progress = .ended(.heuristicRollback)
        case .done where commits && branches[branch].commitMode == .readOnly,
            .provedRolledBack where commits && branches[branch].commitMode == .readOnly:
            branches[branch].progress = .ended(.committed)
        case .done:
            branches[branch].progress = .ended(commits ? .committed : .rolledBack)
        case .provedCommitted:
            branches[branch].progress = .ended(commits ? .committed : .heuristicCommit)
        case .provedRolledBack:
            branches[branch].progress = .ended(commits ? .heuristicRollback : .rolledBack)
        case .unprovable:
            branches[branch].progress = .ended(.heuristicHazard)
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

    /// A session that could not be told to end what it holds is ended by the fence.
    private mutating func loseHeldSession(of branch: Int) {
        switch branches[branch].progress {
        case .held: branches[branch].progress = .doubtful
        case .ready: branches[branch].progress = phase == .finishing(.commit) ? .refused : .doubtful
        case .waiting, .working, .prepared, .preparedAgainstVote, .refused, .doubtful, .recovered,
            .ended:
            break
        }
    }

    /// Has the row tell of a heuristic outcome while other branches are still being ended, which may
    /// take as long as a participant is down.
    mutating func noteHeuristics(_ step: inout Step) {
        guard case .finishing = phase, heuristicCount > notedCount else { return }
        notedCount = heuristicCount
        step.log = .noteOutcomes
    }

    /// Ends the transaction when every branch has ended.
    mutating func endIfDone(_ step: inout Step) {
        guard branches.allSatisfy({ $0.outcome != nil }) else { return }
        switch phase {
        case .finishing(let decision):
            phase = .ended(decision)
            step.log = .finish
            step.isLast = true
            if state == .needsOperator {
                say(.needsOperator, &step)
            } else {
                say(
                    decision == .commit ? .committed : .aborted(cause ?? .decidedElsewhere), &step)
            }
        case .withdrawing:
            phase = .withdrawn
            step.isLast = true
        case .idle, .preparing, .deciding, .delegating, .committingLocally, .queryingCommitPoint,
            .copying, .ended,
            .withdrawn, .undecidable:
            preconditionFailure("branches end by a decision only")
        }
    }
}
