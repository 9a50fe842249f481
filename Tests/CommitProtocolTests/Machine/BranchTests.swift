import CommitProtocol
import Testing

/// Votes and ends of single branches.
@Suite struct BranchTests {
    @Test func aLateVoteAfterAnAbortIsRolledBack() {
        var machine = TransactionMachine.after(2, .accepted)
        #expect(machine.tell(.voted(branch: 0, .refused)).commands == [.cancel(branch: 1)])
        #expect(machine.tell(.decided(.abort)).commands.isEmpty)
        #expect(machine.state == .aborting)
        #expect(machine.tell(.yes(1)).commands == [.rollbackPrepared(branch: 1)])
        let last = machine.tell(.finished(branch: 1, .done))
        #expect(last.isLast && last.log == .finish)
        #expect(last.reply == .aborted(.refused(branch: 0)))
    }

    @Test func aVoteThatArrivesWhileAnAbortIsRecordedWaitsForIt() {
        var machine = TransactionMachine.after(2, .accepted, .voted(branch: 0, .refused))
        #expect(machine.tell(.yes(1)) == Step())
        #expect(machine.tell(.decided(.abort)).commands == [.rollbackPrepared(branch: 1)])
    }

    @Test func aDoubtfulBranchIsFencedEachTime() {
        var machine = TransactionMachine.after(1, .accepted, .voted(branch: 0, .lost))
        #expect(machine.tell(.decided(.abort)).commands == [.fenceAndRollBack(branch: 0)])
        let again = machine.tell(.finished(branch: 0, .tryAgain))
        #expect(again.timers.map(\.timer) == [.finishAgain(branch: 0)])
        #expect(
            machine.tell(.due(.finishAgain(branch: 0))).commands == [.fenceAndRollBack(branch: 0)])
    }

    @Test func aBranchPreparedAgainstItsVoteIsRolledBackByName() {
        var machine = TransactionMachine.after(1, .accepted)
        let step = machine.tell(.voted(branch: 0, .preparedAgainstVote(evidence(0))))
        #expect(step.log == .decide(.abort))
        #expect(machine.branches[0].vote == .no)
        #expect(machine.tell(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
    }

    @Test func aDuplicateVoteSaysNothing() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let before = machine
        #expect(machine.tell(.voted(branch: 0, .refused)) == Step())
        #expect(machine.tell(.yes(0)) == Step())
        #expect(machine == before)
    }

    @Test func aDuplicateEndSaysNothing() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(.commit))
        machine.tell(.finished(branch: 0, .done))
        #expect(machine.tell(.finished(branch: 0, .unprovable)) == Step())
        #expect(machine.branches[0].outcome == .committed)
    }

    @Test func aFailedEndIsTriedAgainAndDelaysNoOther() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(.commit))
        #expect(machine.tell(.finished(branch: 0, .tryAgain)).commands.isEmpty)
        machine.tell(.finished(branch: 1, .done))
        #expect(machine.state == .committing)
        #expect(
            machine.tell(.due(.finishAgain(branch: 0))).commands == [.commitPrepared(branch: 0)])
        #expect(machine.branches.map(\.retries) == [1, 0])
        #expect(machine.tell(.finished(branch: 0, .done)).reply == .committed)
    }

    @Test(arguments: [
        (Decision.commit, FinishReply.provedRolledBack, Outcome.heuristicRollback),
        (.commit, .unprovable, .heuristicHazard),
        (.abort, .provedCommitted, .heuristicCommit),
        (.abort, .unprovable, .heuristicHazard),
    ])
    func aHeuristicOutcomeNeedsAnOperator(
        _ decision: Decision, _ reply: FinishReply, _ outcome: Outcome
    ) {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(decision))
        machine.tell(.finished(branch: 0, .done))
        let last = machine.tell(.finished(branch: 1, reply))
        #expect(last.reply == .needsOperator && last.log == .finish && last.isLast)
        #expect(machine.state == .needsOperator)
        #expect(machine.branches[1].outcome == outcome)
    }

    /// The others may not answer for days.
    @Test(arguments: [
        (Decision.commit, FinishReply.provedRolledBack), (.commit, .unprovable),
        (.abort, .provedCommitted), (.abort, .unprovable),
    ])
    func aHeuristicOutcomeIsNotedAndAnsweredBeforeTheOthersEnd(
        _ decision: Decision, _ reply: FinishReply
    ) {
        var machine = TransactionMachine.after(2, .accepted, .yes(0), .yes(1), .decided(decision))
        let first = machine.tell(.finished(branch: 0, reply))
        #expect(first.log == .noteOutcomes && !first.isLast && first.reply == nil)
        #expect(machine.state == .needsOperator && machine.decision == decision)
        #expect(machine.tell(.finished(branch: 1, .tryAgain)).log == nil, "it is noted once")
        #expect(machine.tell(.due(.finishWait)).reply == .needsOperator)
        let last = machine.tell(.finished(branch: 1, .done))
        #expect(last.log == .finish && last.isLast)
        #expect(machine.state == .needsOperator)
    }

    @Test func aNotedOutcomeIsKeptByWhoeverTakesTheRowOver() {
        var (machine, step) = TransactionMachine.adopted(.abort, .ended(.heuristicCommit), .open())
        #expect(step.log == nil && machine.state == .needsOperator)
        #expect(machine.tell(.finished(branch: 1, .done)).log == .finish)
        #expect(machine.branches.map(\.outcome) == [.heuristicCommit, .rolledBack])
    }

    @Test(arguments: [
        (Decision.commit, FinishReply.provedCommitted, TransactionState.committed),
        (.abort, .provedRolledBack, .aborted),
    ])
    func aProvedEndIsAnEnd(
        _ decision: Decision, _ reply: FinishReply, _ state: TransactionState
    ) {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decided(decision))
        #expect(machine.tell(.finished(branch: 0, reply)).isLast)
        #expect(machine.state == state)
    }
}
