import CommitProtocol
import Testing

/// A journal in a participant is the commit point, and the row copies its decision.
@Suite struct JournalTests {
    private static func prepared(repliesAtDecision: Bool = false) -> TransactionMachine {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.journal, .twoPhase],
            repliesAtDecision: repliesAtDecision)
        for event: Event in [
            .begin(.overlapping), .accepted, .voted(branch: 0, .ready(evidence(0))),
        ] { machine.handle(event) }
        return machine
    }

    @Test func journalDecidesAfterOthersArePrepared() {
        var machine = Self.prepared()
        let ready = machine.handle(.yes(1))
        #expect(ready.log == nil && ready.commands == [.commitLocally(branch: 0)])
        #expect(machine.state == .preparing)
        let decided = machine.handle(.localCommitAnswered(.committed))
        #expect(decided.commands == [.commitPrepared(branch: 1)] && decided.log == nil)
        #expect(machine.state == .committing)
        let last = machine.handle(.finished(branch: 1, .done))
        #expect(last.log == .finish && last.reply == .committed)
    }

    @Test func journalWaitsForAcceptRow() {
        var machine = TransactionMachine.begun([.journal, .twoPhase])
        machine.handle(.yes(1))
        #expect(machine.handle(.voted(branch: 0, .ready(evidence(0)))).commands.isEmpty)
        #expect(machine.handle(.accepted).commands == [.commitLocally(branch: 0)])
    }

    @Test func abortsInJournalBeforeRow() {
        var machine = Self.prepared()
        let aborted = machine.handle(.voted(branch: 1, .refused))
        #expect(aborted.log == nil && aborted.commands == [.queryCommitPoint(branch: 0)])
        #expect(machine.handle(.commitPointAnswered(.decided(.abort))).log == .copy(.abort))
        let last = machine.handle(.decided(.abort))
        #expect(last.isLast && last.reply == .aborted(.refused(branch: 1)))
    }

    @Test func queriesJournalAfterItsVote() {
        var machine = TransactionMachine.begun([.journal, .twoPhase])
        machine.handle(.accepted)
        #expect(
            machine.handle(.due(.deadline)).commands
                == [.cancel(branch: 0), .cancel(branch: 1)])
        machine.handle(.yes(1))
        #expect(machine.handle(.voted(branch: 0, .lost)).commands == [.queryCommitPoint(branch: 0)])
    }

    @Test func queriesJournalAfterRefusedCommit() {
        var machine = Self.prepared()
        machine.handle(.yes(1))
        let refused = machine.handle(.localCommitAnswered(.rolledBack))
        #expect(refused.log == nil && refused.commands == [.queryCommitPoint(branch: 0)])
        machine.handle(.commitPointAnswered(.decided(.abort)))
        #expect(machine.handle(.decided(.abort)).commands == [.rollbackPrepared(branch: 1)])
    }

    @Test func abortsUnknownAcceptanceInJournalFirst() {
        var machine = TransactionMachine.begun([.journal])
        machine.handle(.voted(branch: 0, .ready(evidence(0))))
        #expect(machine.handle(.acceptUnknown).commands == [.queryCommitPoint(branch: 0)])
        #expect(!machine.isAccepted)
        #expect(machine.handle(.due(.finishWait)).reply == .neverCommits)
        #expect(machine.handle(.commitPointAnswered(.decided(.abort))).log == .copy(.abort))
        #expect(!machine.isAccepted)
        machine.handle(.decisionUnknown)
        #expect(machine.handle(.due(.decideAgain)).log == .copy(.abort))
        #expect(machine.handle(.decided(.abort)).isLast)
    }

    @Test func adoptionTakesEvidenceFromJournal() {
        var (machine, step) = TransactionMachine.adopted(
            nil, commitModes: [.twoPhase, .journal], .open(), .open())
        #expect(step.log == nil && step.commands == [.queryCommitPoint(branch: 1)])
        machine.handle(
            .commitPointAnswered(.decided(.commit, evidence: [evidence(0), evidence(1)])))
        #expect(machine.branches[0].evidence == evidence(0))
        #expect(machine.handle(.decided(.commit)).commands == [.commitPrepared(branch: 0)])
        #expect(machine.branches[1].outcome == .committed)
    }

    @Test func reportsCommitPointOverruledByOperator() {
        var (machine, _) = TransactionMachine.adopted(
            nil, commitModes: [.twoPhase, .journal], .open(), .open())
        machine.handle(.commitPointAnswered(.decided(.commit)))
        #expect(machine.handle(.decided(.abort)).commands == [.fenceAndRollBack(branch: 0)])
        machine.handle(.finished(branch: 0, .done))
        #expect(machine.state == .needsOperator)
        #expect(machine.branches[1].outcome == .heuristicCommit)
    }

    @Test func undecidableTransactionWaitsForRunningWork() {
        var machine = TransactionMachine.begun([.journal, .twoPhase])
        machine.handle(.accepted)
        machine.handle(.voted(branch: 0, .lost))
        let gone = machine.handle(.commitPointAnswered(.unprovable))
        #expect(gone.reply == .needsOperator && !gone.isLast)
        let last = machine.handle(.yes(1))
        #expect(last.isLast && last.log == .report && last.commands.isEmpty)
    }

    @Test func repliesAtDecisionOfJournal() {
        var machine = Self.prepared(repliesAtDecision: true)
        machine.handle(.yes(1))
        #expect(machine.handle(.localCommitAnswered(.committed)).reply == .committing)
        #expect(machine.handle(.finished(branch: 1, .done)).reply == nil)
        #expect(machine.state == .committed)
    }
}
