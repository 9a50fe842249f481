import CommitProtocol
import Testing

/// The decision is requested after every vote, and durable before anything follows from it.
@Suite struct DecisionTests {
    @Test func commitsOnlyAfterDecisionIsDurable() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let asked = machine.handle(.yes(1))
        #expect(asked.log == .decide(.commit))
        #expect(asked.commands.isEmpty)
        #expect(asked.reply == nil)
        let decided = machine.handle(.decided(.commit))
        #expect(decided.commands == [.commitPrepared(branch: 0), .commitPrepared(branch: 1)])
        #expect(decided.log == nil)
    }

    @Test func decidesOnlyAfterRowIsDurable() {
        var machine = TransactionMachine.begun(1)
        #expect(machine.handle(.yes(0)).log == nil)
        #expect(machine.handle(.accepted).log == .decide(.commit))
    }

    @Test func decidesOnlyAfterEveryVote() {
        var machine = TransactionMachine.after(3, .accepted, .yes(2))
        #expect(machine.handle(.yes(0)) == Step())
    }

    @Test func obeysForeignAbort() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        #expect(machine.handle(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
        #expect(
            machine.handle(.finished(branch: 0, .done)).reply == .aborted(.decidedElsewhere))
        #expect(machine.state == .aborted)
    }

    @Test func obeysForeignCommit() {
        var (machine, step) = TransactionMachine.adopted(nil, .open())
        #expect(step.log == .decide(.abort))
        #expect(machine.handle(.decided(.commit)).commands == [.commitPrepared(branch: 0)])
        machine.handle(.finished(branch: 0, .done))
        #expect(machine.state == .committed)
        #expect(machine.cause == nil)
    }

    /// A former owner that was only paused commits while another replica adopts its row.
    ///
    /// Without the decision's evidence, a branch that it has committed would be a hazard.
    @Test func takesEvidenceOfForeignCommit() {
        var machine = TransactionMachine.adopted(nil, .open(), .open()).machine
        machine.handle(.decided(.commit, evidence: [evidence(0), evidence(1)]))
        #expect(machine.branches.map(\.evidence) == [evidence(0), evidence(1)])
        machine.handle(.finished(branch: 0, .provedCommitted))
        machine.handle(.finished(branch: 1, .done))
        #expect(machine.state == .committed)
    }

    @Test func keepsOwnEvidence() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        machine.handle(.decided(.commit, evidence: [evidence(9)]))
        #expect(machine.branches[0].evidence == evidence(0))
    }

    @Test func tombstonesMissingRow() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        let step = machine.handle(.decisionMissing)
        #expect(step.log == .tombstone)
        #expect(step.commands.isEmpty)
        #expect(!machine.isAccepted)
        #expect(machine.handle(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
    }

    @Test func repeatsTombstoneThatLeftNoRow() {
        var machine = TransactionMachine.after(1, .acceptUnknown)
        let step = machine.handle(.decisionMissing)
        #expect(step.log == nil)
        #expect(step.timers.map(\.timer) == [.decideAgain])
        #expect(machine.handle(.due(.decideAgain)).log == .tombstone)
    }

    @Test func repeatsUnknownDecision() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        let unknown = machine.handle(.decisionUnknown)
        #expect(unknown.commands.isEmpty && unknown.reply == nil && unknown.log == nil)
        #expect(unknown.timers.map(\.timer) == [.decideAgain])
        #expect(machine.handle(.due(.decideAgain)).log == .decide(.commit))
        #expect(machine.handle(.decisionUnknown).timers[0].delayMilliseconds == 100)
    }

    @Test func repeatsUnknownTombstone() {
        var machine = TransactionMachine.after(1, .acceptUnknown)
        machine.handle(.decisionUnknown)
        #expect(machine.handle(.due(.decideAgain)).log == .tombstone)
    }

    @Test func rollsBackOnlyAfterAbortIsDurable() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let refused = machine.handle(.voted(branch: 1, .refused))
        #expect(refused.log == .decide(.abort))
        #expect(refused.commands.isEmpty && refused.reply == nil)
        #expect(machine.handle(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
    }

    @Test func limitsBackoff() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        var delay: Int64?
        for _ in 0..<40 { delay = machine.handle(.decisionUnknown).timers[0].delayMilliseconds }
        #expect(delay == 10_000)
    }
}
