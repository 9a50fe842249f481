import CommitProtocol
import Testing

/// The decision: asked for once every vote is in, durable before anything follows from it.
@Suite struct DecisionTests {
    @Test func commitIsOrderedOnlyByTheEventThatSaysItIsDurable() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let asked = machine.tell(.yes(1))
        #expect(asked.log == .decide(.commit))
        #expect(asked.commands.isEmpty)
        #expect(asked.reply == nil)
        let decided = machine.tell(.decided(.commit))
        #expect(decided.commands == [.commitPrepared(branch: 0), .commitPrepared(branch: 1)])
        #expect(decided.log == nil)
    }

    @Test func nothingIsDecidedBeforeTheRowIsDurable() {
        var machine = TransactionMachine.begun(1)
        #expect(machine.tell(.yes(0)).log == nil)
        #expect(machine.tell(.accepted).log == .decide(.commit))
    }

    @Test func nothingIsDecidedBeforeEveryVote() {
        var machine = TransactionMachine.after(3, .accepted, .yes(2))
        #expect(machine.tell(.yes(0)) == Step())
    }

    @Test func aForeignAbortIsObeyed() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        #expect(machine.tell(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
        #expect(
            machine.tell(.finished(branch: 0, .done)).reply == .aborted(.decidedElsewhere))
        #expect(machine.state == .aborted)
    }

    @Test func aForeignCommitIsObeyed() {
        var (machine, step) = TransactionMachine.adopted(nil, .open())
        #expect(step.log == .decide(.abort))
        #expect(machine.tell(.decided(.commit)).commands == [.commitPrepared(branch: 0)])
        machine.tell(.finished(branch: 0, .done))
        #expect(machine.state == .committed)
        #expect(machine.cause == nil)
    }

    /// A former owner that was only paused commits while its row is being adopted: the evidence
    /// comes with the decision, or a branch that it commits first would be a hazard.
    @Test func aForeignCommitBringsItsEvidence() {
        var machine = TransactionMachine.adopted(nil, .open(), .open()).machine
        machine.tell(.decided(.commit, evidence: [evidence(0), evidence(1)]))
        #expect(machine.branches.map(\.evidence) == [evidence(0), evidence(1)])
        machine.tell(.finished(branch: 0, .provedCommitted))
        machine.tell(.finished(branch: 1, .done))
        #expect(machine.state == .committed)
    }

    @Test func ownEvidenceIsNotReplaced() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        machine.tell(.decided(.commit, evidence: [evidence(9)]))
        #expect(machine.branches[0].evidence == evidence(0))
    }

    @Test func aMissingRowIsMadeATombstone() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        let step = machine.tell(.decisionMissing)
        #expect(step.log == .tombstone)
        #expect(step.commands.isEmpty)
        #expect(!machine.isAccepted)
        #expect(machine.tell(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
    }

    @Test func aTombstoneThatLeftNoRowIsWrittenAgainLater() {
        var machine = TransactionMachine.after(1, .acceptUnknown)
        let step = machine.tell(.decisionMissing)
        #expect(step.log == nil)
        #expect(step.timers.map(\.timer) == [.decideAgain])
        #expect(machine.tell(.due(.decideAgain)).log == .tombstone)
    }

    @Test func anUnknownDecisionIsAskedAgainAndNeverGuessed() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        let unknown = machine.tell(.decisionUnknown)
        #expect(unknown.commands.isEmpty && unknown.reply == nil && unknown.log == nil)
        #expect(unknown.timers.map(\.timer) == [.decideAgain])
        #expect(machine.tell(.due(.decideAgain)).log == .decide(.commit))
        #expect(machine.tell(.decisionUnknown).timers[0].delayMilliseconds == 100)
    }

    @Test func anUnknownTombstoneIsAskedAgainAsATombstone() {
        var machine = TransactionMachine.after(1, .acceptUnknown)
        machine.tell(.decisionUnknown)
        #expect(machine.tell(.due(.decideAgain)).log == .tombstone)
    }

    @Test func anAbortIsDurableBeforeAnyRollback() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let refused = machine.tell(.voted(branch: 1, .refused))
        #expect(refused.log == .decide(.abort))
        #expect(refused.commands.isEmpty && refused.reply == nil)
        #expect(machine.tell(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
    }

    @Test func backoffIsCapped() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        var delay: Int64?
        for _ in 0..<40 { delay = machine.tell(.decisionUnknown).timers[0].delayMilliseconds }
        #expect(delay == 10_000)
    }
}
