extension Coordinator {
    /// Orders the end of a branch, by the decision and by where the branch stands.
    mutating func orderEnd(_ branch: Int, _ step: inout Step) {
        if case .finishing(.commit) = phase { return orderCommit(branch, &step) }
        switch branches[branch].progress {
        case .waiting, .refused:
            branches[branch].progress = .ended(.rolledBack)
        case .working, .ended:
            // The vote that is still to come orders the end.
            break
        case .prepared, .preparedAgainstVote:
            step.commands.append(.rollbackPrepared(branch: branch))
        case .doubtful, .recovered:
            step.commands.append(.fenceAndRollBack(branch: branch))
        }
    }

    private func orderCommit(_ branch: Int, _ step: inout Step) {
        switch branches[branch].progress {
        case .ended, .working:
            break
        case .prepared, .preparedAgainstVote, .recovered, .doubtful, .waiting, .refused:
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
        case .idle, .preparing, .deciding, .ended, .withdrawn:
            preconditionFailure("no branch is being ended in \(phase)")
        }
        switch reply {
        case .done:
            branches[branch].progress = .ended(commits ? .committed : .rolledBack)
        case .provedCommitted:
            branches[branch].progress = .ended(commits ? .committed : .heuristicCommit)
        case .provedRolledBack:
            branches[branch].progress = .ended(commits ? .heuristicRollback : .rolledBack)
        case .unprovable:
            branches[branch].progress = .ended(.heuristicHazard)
        case .tryAgain:
            branches[branch].retries += 1
            let delay = Self.backoffMilliseconds(branches[branch].retries)
            step.timers.append(
                TimerRequest(timer: .finishAgain(branch: branch), delayMilliseconds: delay))
            return
        }
        endIfDone(&step)
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
        case .idle, .preparing, .deciding, .ended, .withdrawn:
            preconditionFailure("branches end by a decision only")
        }
    }
}
