/// Transactions that are decided in a branch's participant.
///
/// Until that branch is told to commit, nobody can have committed; after that, only the register
/// knows. So an abort is never recorded in the row on anybody's own authority: the register is made
/// to say it first, behind the fence, and the row copies.
extension TransactionMachine {
    /// Every branch is in favor, in time: the register may decide.
    mutating func decideAtCommitPoint(_ step: inout Step) {
        guard let commitPoint else { preconditionFailure("the row is the register") }
        armFinishWait(&step)
        switch branches[commitPoint].commitMode {
        case .onePhase:
            // PostgreSQL will know what became of the branch's transaction id, but only if the id is
            // durable somewhere that outlives this process.
            phase = .delegating
            step.log = .delegate
        case .journal:
            // The accept row has named the journal.
            phase = .committingLocally
            step.commands.append(.commitLocally(branch: commitPoint))
        case .twoPhase, .readOnly:
            preconditionFailure("\(branches[commitPoint].commitMode) registers nothing")
        }
    }

    /// The row durably says that the register decides; nobody aborts in the row any more.
    mutating func delegated(_ step: inout Step) {
        guard case .delegating = phase, let commitPoint else {
            preconditionFailure("the log answers one delegation once")
        }
        phase = .committingLocally
        step.commands.append(.commitLocally(branch: commitPoint))
    }

    /// An abort was asked of a row whose former owner had let its register decide.
    mutating func delegationFound(_ evidence: [PreparedEvidence?], _ step: inout Step) {
        guard case .deciding = phase, commitPoint != nil else {
            preconditionFailure("only a register can have been delegated to")
        }
        learn(evidence)
        phase = .queryingCommitPoint(isAccepted: true)
        queryCommitPoint(&step)
    }

    /// The register answered the order to commit.
    mutating func localCommitAnswered(_ reply: LocalCommitReply, _ step: inout Step) {
        guard case .committingLocally = phase, let commitPoint else {
            preconditionFailure("the register answers one order once")
        }
        switch reply {
        case .committed:
            branches[commitPoint].progress = .ended(.committed)
            cause = nil
            phase = .finishing(.commit)
            finishBranches(&step)
        case .rolledBack:
            branches[commitPoint].progress = .refused
            branches[commitPoint].vote = .no
            cause = .refused(branch: commitPoint)
            if branches[commitPoint].commitMode == .journal {
                // Nothing is in the journal yet, and that is no abort: somebody has to write one.
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

    /// Makes the register hold abort unless it holds something, in place of a decision in the row.
    mutating func abortAtCommitPoint(isAccepted: Bool, _ step: inout Step) {
        phase = .queryingCommitPoint(isAccepted: isAccepted)
        cancelWork(&step)
        armFinishWait(&step)
        queryCommitPoint(&step)
    }

    /// Asks, unless the register still works: its vote is awaited, for a branch has one order at a
    /// time.
    mutating func queryCommitPoint(_ step: inout Step) {
        guard let commitPoint else { preconditionFailure("the row is the register") }
        guard !branches[commitPoint].isWorking else { return }
        step.commands.append(.queryCommitPoint(branch: commitPoint))
    }

    /// The register holds a decision, cannot be reached, or can never prove anything.
    mutating func commitPointAnswered(_ answer: CommitPointAnswer, _ step: inout Step) {
        guard case .queryingCommitPoint(let isAccepted) = phase, let commitPoint else {
            preconditionFailure("the register answers one question once")
        }
        switch answer {
        case .decided(let decision, let evidence):
            learn(evidence)
            // The fence has ended the branch's own session, so a decision to abort ended it too.
            branches[commitPoint].progress =
                .ended(decision == .commit ? .committed : .rolledBack)
            if decision == .abort { cause = cause ?? .refused(branch: commitPoint) }
            copy(decision, isAccepted: isAccepted, &step)
        case .tryAgain:
            decisionRetries += 1
            let delay = Self.backoffMilliseconds(decisionRetries)
            step.timers.append(TimerRequest(timer: .queryAgain, delayMilliseconds: delay))
        case .unprovable:
            branches[commitPoint].progress = .ended(.heuristicHazard)
            phase = .undecidable
            say(.needsOperator, &step)
            stopUndecided(&step)
        }
    }

    /// Nothing more can be done here once no branch works any more.
    ///
    /// What is prepared stays prepared, since either end could be the wrong one.
    mutating func stopUndecided(_ step: inout Step) {
        guard branches.allSatisfy({ !$0.isWorking }) else { return }
        step.log = .report
        step.isLast = true
    }

    /// Has the row say what the register said.
    mutating func copy(_ decision: Decision, isAccepted: Bool, _ step: inout Step) {
        phase = .copying(decision, isAccepted: isAccepted)
        step.log = .copy(decision)
    }

    /// Evidence that came with a decision fills what is not known here.
    ///
    /// If a former owner was only paused and won with commit, a branch that it commits first would
    /// look lost here without it.
    mutating func learn(_ evidence: [PreparedEvidence?]) {
        for (index, found) in evidence.enumerated() where branches.indices.contains(index) {
            branches[index].evidence = branches[index].evidence ?? found
        }
    }
}
