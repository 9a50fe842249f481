import CommitProtocol
import Testing

/// The decision is made in a branch's own participant, and the row copies it.
@Suite struct JournalTests {
    private static func prepared(repliesAtDecision: Bool = false) -> TransactionMachine {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.journal, .twoPhase],
            repliesAtDecision: repliesAtDecision)
        for event: Event in [
            .begin(.overlapping), .accepted, .voted(branch: 0, .ready(evidence(0))),
        ] { machine.tell(event) }
        return machine
    }

    @Test func theJournalDecidesAfterEveryOtherIsPrepared() {
        var machine = Self.prepared()
        let ready = machine.tell(.yes(1))
        #expect(ready.log == nil && ready.commands == [.commitLocally(branch: 0)])
        #expect(machine.state == .preparing)
        let decided = machine.tell(.localCommitAnswered(.committed))
        #expect(decided.commands == [.commitPrepared(branch: 1)] && decided.log == nil)
        #expect(machine.state == .committing)
        let last = machine.tell(.finished(branch: 1, .done))
        #expect(last.log == .finish && last.reply == .committed)
    }

    @Test func theJournalWaitsForTheRowThatNamesIt() {
        var machine = TransactionMachine.begun([.journal, .twoPhase])
        machine.tell(.yes(1))
        #expect(machine.tell(.voted(branch: 0, .ready(evidence(0)))).commands.isEmpty)
        #expect(machine.tell(.accepted).commands == [.commitLocally(branch: 0)])
    }

    @Test func anAbortWinsTheJournalBeforeTheRow() {
        var machine = Self.prepared()
        let aborted = machine.tell(.voted(branch: 1, .refused))
        #expect(aborted.log == nil && aborted.commands == [.queryCommitPoint(branch: 0)])
        #expect(machine.tell(.commitPointAnswered(.decided(.abort))).log == .copy(.abort))
        let last = machine.tell(.decided(.abort))
        #expect(last.isLast && last.reply == .aborted(.refused(branch: 1)))
    }

    @Test func aJournalThatWorksIsAskedAfterItsVote() {
        var machine = TransactionMachine.begun([.journal, .twoPhase])
        machine.tell(.accepted)
        #expect(
            machine.tell(.due(.deadline)).commands
                == [.cancel(branch: 0), .cancel(branch: 1)])
        machine.tell(.yes(1))
        #expect(machine.tell(.voted(branch: 0, .lost)).commands == [.queryCommitPoint(branch: 0)])
    }

    @Test func aRefusedLocalCommitIsNoAbortYet() {
        var machine = Self.prepared()
        machine.tell(.yes(1))
        let refused = machine.tell(.localCommitAnswered(.rolledBack))
        #expect(refused.log == nil && refused.commands == [.queryCommitPoint(branch: 0)])
        machine.tell(.commitPointAnswered(.decided(.abort)))
        #expect(machine.tell(.decided(.abort)).commands == [.rollbackPrepared(branch: 1)])
    }

    @Test func anUnknownAcceptanceIsAbortedInTheJournalFirst() {
        var machine = TransactionMachine.begun([.journal])
        machine.tell(.voted(branch: 0, .ready(evidence(0))))
        #expect(machine.tell(.acceptUnknown).commands == [.queryCommitPoint(branch: 0)])
        #expect(!machine.isAccepted)
        #expect(machine.tell(.due(.finishWait)).reply == .neverCommits)
        #expect(machine.tell(.commitPointAnswered(.decided(.abort))).log == .copy(.abort))
        #expect(!machine.isAccepted)
        machine.tell(.decisionUnknown)
        #expect(machine.tell(.due(.decideAgain)).log == .copy(.abort))
        #expect(machine.tell(.decided(.abort)).isLast)
    }

    @Test func anAdoptedRowAsksTheJournalAndBringsItsEvidence() {
        var (machine, step) = TransactionMachine.adopted(
            nil, commitModes: [.twoPhase, .journal], .open(), .open())
        #expect(step.log == nil && step.commands == [.queryCommitPoint(branch: 1)])
        machine.tell(.commitPointAnswered(.decided(.commit, evidence: [evidence(0), evidence(1)])))
        #expect(machine.branches[0].evidence == evidence(0))
        #expect(machine.tell(.decided(.commit)).commands == [.commitPrepared(branch: 0)])
        #expect(machine.branches[1].outcome == .committed)
    }

    @Test func aRowThatWasForcedTheOtherWayHidesNothing() {
        var (machine, _) = TransactionMachine.adopted(
            nil, commitModes: [.twoPhase, .journal], .open(), .open())
        machine.tell(.commitPointAnswered(.decided(.commit)))
        #expect(machine.tell(.decided(.abort)).commands == [.fenceAndRollBack(branch: 0)])
        machine.tell(.finished(branch: 0, .done))
        #expect(machine.state == .needsOperator)
        #expect(machine.branches[1].outcome == .heuristicCommit)
    }

    @Test func anUndecidableTransactionWaitsForTheWorkThatRuns() {
        var machine = TransactionMachine.begun([.journal, .twoPhase])
        machine.tell(.accepted)
        machine.tell(.voted(branch: 0, .lost))
        let gone = machine.tell(.commitPointAnswered(.unprovable))
        #expect(gone.reply == .needsOperator && !gone.isLast)
        let last = machine.tell(.yes(1))
        #expect(last.isLast && last.log == .report && last.commands.isEmpty)
    }

    @Test func theCallerMayHearOfTheDecision() {
        var machine = Self.prepared(repliesAtDecision: true)
        machine.tell(.yes(1))
        #expect(machine.tell(.localCommitAnswered(.committed)).reply == .committing)
        #expect(machine.tell(.finished(branch: 1, .done)).reply == nil)
        #expect(machine.state == .committed)
    }
}
