import CommitProtocol
import Testing

/// Votes and outcomes of single branches.
@Suite struct BranchTests {
    @Test func rollsBackLateVoteAfterAbort() {
        var machine = TransactionMachine.after(2, .accepted)
        #expect(machine.handle(.voted(branch: 0, .refused)).commands == [.cancel(branch: 1)])
        #expect(machine.handle(.decided(.abort)).commands.isEmpty)
        #expect(machine.state == .aborting)
        #expect(machine.handle(.yes(1)).commands == [.rollbackPrepared(branch: 1)])
        let last = machine.handle(.finished(branch: 1, .done))
        #expect(last.isLast && last.log == .finish)
        #expect(last.reply == .aborted(.refused(branch: 0)))
    }

    @Test func voteWaitsForAbortRecord() {
        var machine = TransactionMachine.after(2, .accepted, .voted(branch: 0, .refused))
        #expect(machine.handle(.yes(1)) == Step())
        #expect(machine.handle(.decided(.abort)).commands == [.rollbackPrepared(branch: 1)])
    }

    @Test func fencesDoubtfulBranchAtEachAttempt() {
        var machine = TransactionMachine.after(1, .accepted, .voted(branch: 0, .lost))
        #expect(machine.handle(.decided(.abort)).commands == [.fenceAndRollBack(branch: 0)])
        let again = machine.handle(.finished(branch: 0, .tryAgain))
        #expect(again.timers.map(\.timer) == [.finishAgain(branch: 0)])
        #expect(
            machine.handle(.due(.finishAgain(branch: 0))).commands == [.fenceAndRollBack(branch: 0)]
        )
    }

    @Test func rollsBackBranchPreparedAgainstVote() {
        var machine = TransactionMachine.after(1, .accepted)
        let step = machine.handle(.voted(branch: 0, .preparedAgainstVote(evidence(0))))
        #expect(step.log == .decide(.abort))
        #expect(machine.branches[0].vote == .no)
        #expect(machine.handle(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
    }

    @Test func ignoresDuplicateVote() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let before = machine
        #expect(machine.handle(.voted(branch: 0, .refused)) == Step())
        #expect(machine.handle(.yes(0)) == Step())
        #expect(machine == before)
    }

    @Test func ignoresDuplicateFinish() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(.commit))
        machine.handle(.finished(branch: 0, .done))
        #expect(machine.handle(.finished(branch: 0, .unprovable)) == Step())
        #expect(machine.branches[0].outcome == .committed)
    }

    @Test func retriesFinishWithoutDelayingOthers() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(.commit))
        #expect(machine.handle(.finished(branch: 0, .tryAgain)).commands.isEmpty)
        machine.handle(.finished(branch: 1, .done))
        #expect(machine.state == .committing)
        #expect(
            machine.handle(.due(.finishAgain(branch: 0))).commands == [.commitPrepared(branch: 0)])
        #expect(machine.branches.map(\.retries) == [1, 0])
        #expect(machine.handle(.finished(branch: 0, .done)).reply == .committed)
    }

    @Test(arguments: [
        (Decision.commit, FinishReply.provedRolledBack, Outcome.heuristicRollback),
        (.commit, .unprovable, .heuristicHazard),
        (.abort, .provedCommitted, .heuristicCommit),
        (.abort, .unprovable, .heuristicHazard),
    ])
    func heuristicOutcomeNeedsOperator(
        _ decision: Decision, _ reply: FinishReply, _ outcome: Outcome
    ) {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(decision))
        machine.handle(.finished(branch: 0, .done))
        let last = machine.handle(.finished(branch: 1, reply))
        #expect(last.reply == .needsOperator && last.log == .finish && last.isLast)
        #expect(machine.state == .needsOperator)
        #expect(machine.branches[1].outcome == outcome)
    }

    /// The other branches may not answer for days.
    @Test(arguments: [
        (Decision.commit, FinishReply.provedRolledBack), (.commit, .unprovable),
        (.abort, .provedCommitted), (.abort, .unprovable),
    ])
    func recordsHeuristicOutcomeBeforeOthersFinish(
        _ decision: Decision, _ reply: FinishReply
    ) {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(decision))
        let first = machine.handle(.finished(branch: 0, reply))
        #expect(first.log == .noteOutcomes && !first.isLast && first.reply == nil)
        #expect(machine.state == .needsOperator && machine.decision == decision)
        #expect(machine.handle(.finished(branch: 1, .tryAgain)).log == nil, "it is recorded once")
        #expect(machine.handle(.due(.finishWait)).reply == .needsOperator)
        let last = machine.handle(.finished(branch: 1, .done))
        #expect(last.log == .finish && last.isLast)
        #expect(machine.state == .needsOperator)
    }

    @Test func adoptionKeepsRecordedOutcome() {
        var (machine, step) = TransactionMachine.adopted(
            .abort, .finished(.heuristicCommit), .open())
        #expect(step.log == nil && machine.state == .needsOperator)
        #expect(machine.handle(.finished(branch: 1, .done)).log == .finish)
        #expect(machine.branches.map(\.outcome) == [.heuristicCommit, .rolledBack])
    }

    @Test(arguments: [
        (Decision.commit, FinishReply.provedCommitted, TransactionState.committed),
        (.abort, .provedRolledBack, .aborted),
    ])
    func acceptsProvedOutcome(
        _ decision: Decision, _ reply: FinishReply, _ state: TransactionState
    ) {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decided(decision))
        #expect(machine.handle(.finished(branch: 0, reply)).isLast)
        #expect(machine.state == state)
    }
}
