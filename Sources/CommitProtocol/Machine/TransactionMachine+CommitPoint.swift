/// Transactions whose commit point is a branch.
///
/// Until that branch's COMMIT is sent, nothing can be committed. After that, only the commit point
/// knows the decision. So no replica records an abort in the row by itself: it first makes the commit
/// point hold the abort, after the fence, and the row gets a copy.
extension TransactionMachine {
    /// Lets the commit point decide, since every branch can commit, in time.
    mutating func decideAtCommitPoint(_ step: inout Step) {
        guard let commitPoint else { preconditionFailure("the row is the commit point") }
        armFinishWait(&step)
        switch branches[commitPoint].commitMode {
        case .onePhase:
            // PostgreSQL can report the status of the transaction id, but only if the id is durable
            // outside this process.
            phase = .delegating
            step.log = .delegate
        case .journal:
            // The accept row already names the journal.
            phase = .committingLocally
            step.commands.append(.commitLocally(branch: commitPoint))
        case .twoPhase, .readOnly:
            preconditionFailure("\(branches[commitPoint].commitMode) is no commit point")
        }
    }

    /// Sends the COMMIT: the row durably says that the branch decides, so no abort in the row follows.
    mutating func delegated(_ step: inout Step) {
        guard case .delegating = phase, let commitPoint else {
            preconditionFailure("the log answers one delegation once")
        }
        phase = .committingLocally
        step.commands.append(.commitLocally(branch: commitPoint))
    }

    /// Queries the commit point: the row to abort says that a former owner let its branch decide.
    mutating func delegationFound(_ evidence: [PreparedEvidence?], _ step: inout Step) {
        guard case .deciding = phase, commitPoint != nil else {
            preconditionFailure("only a commit point can have been delegated to")
        }
        addEvidence(evidence)
        phase = .queryingCommitPoint(isAccepted: true)
        queryCommitPoint(&step)
    }

    /// Handles the commit point's answer to its COMMIT.
    mutating func localCommitAnswered(_ reply: LocalCommitReply, _ step: inout Step) {
        guard case .committingLocally = phase, let commitPoint else {
            preconditionFailure("the commit point answers its COMMIT once")
        }
        switch reply {
        case .committed:
            branches[commitPoint].progress = .finished(.committed)
            cause = nil
            phase = .finishing(.commit)
            finishBranches(&step)
        case .rolledBack:
            branches[commitPoint].progress = .refused
            branches[commitPoint].vote = .no
            cause = .refused(branch: commitPoint)
            if branches[commitPoint].commitMode == .journal {
                // The journal holds no decision yet, which is not an abort: record one there.
                phase = .queryingCommitPoint(isAccepted: true)
                queryCommitPoint(&step)
            } else {
                copy(.abort, isAccepted: true, &step)
            }
        case .unknown:
            branches[commitPoint].progress = .doubtful
            phase = .queryingCommitPoint(isAccepted: true)
            queryCommitPoint(&step)
        }
    }

    /// Makes the commit point record abort unless it holds a decision.
    mutating func abortAtCommitPoint(isAccepted: Bool, _ step: inout Step) {
        phase = .queryingCommitPoint(isAccepted: isAccepted)
        cancelWork(&step)
        armFinishWait(&step)
        queryCommitPoint(&step)
    }

    /// Queries the commit point, or waits for its vote: a branch has one command at a time.
    mutating func queryCommitPoint(_ step: inout Step) {
        guard let commitPoint else { preconditionFailure("the row is the commit point") }
        guard !branches[commitPoint].isWorking else { return }
        step.commands.append(.queryCommitPoint(branch: commitPoint))
    }

    /// Handles the commit point's decision, or that it is unreachable or proves nothing.
    mutating func commitPointAnswered(_ answer: CommitPointAnswer, _ step: inout Step) {
        guard case .queryingCommitPoint(let isAccepted) = phase, let commitPoint else {
            preconditionFailure("the commit point answers one query once")
        }
        switch answer {
        case .decided(let decision, let evidence):
            addEvidence(evidence)
            // The fence ended the branch's session, so an abort has rolled the branch back.
            branches[commitPoint].progress =
                .finished(decision == .commit ? .committed : .rolledBack)
            if decision == .abort { cause = cause ?? .refused(branch: commitPoint) }
            copy(decision, isAccepted: isAccepted, &step)
        case .tryAgain:
            decisionRetries += 1
            let delay = Self.backoffMilliseconds(decisionRetries)
            step.timers.append(TimerRequest(timer: .queryAgain, delayMilliseconds: delay))
        case .unprovable:
            branches[commitPoint].progress = .finished(.heuristicHazard)
            phase = .undecidable
            reply(with: .needsOperator, &step)
            stopUndecided(&step)
        }
    }

    /// Stops when no branch works any more.
    ///
    /// Prepared branches stay prepared, since committing or rolling back could be wrong.
    mutating func stopUndecided(_ step: inout Step) {
        guard branches.allSatisfy({ !$0.isWorking }) else { return }
        step.log = .report
        step.isLast = true
    }

    /// Records the commit point's decision in the row.
    mutating func copy(_ decision: Decision, isAccepted: Bool, _ step: inout Step) {
        phase = .copying(decision, isAccepted: isAccepted)
        step.log = .copy(decision)
    }

    /// Adds evidence that arrived with a decision.
    ///
    /// A former owner may have been only paused and have won with commit. Without its evidence, a
    /// branch that it has committed would look lost here.
    mutating func addEvidence(_ evidence: [PreparedEvidence?]) {
        for (index, found) in evidence.enumerated() where branches.indices.contains(index) {
            branches[index].evidence = branches[index].evidence ?? found
        }
    }
}
