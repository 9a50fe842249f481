import CommitProtocol
import Testing

/// The accept row: sent once, and replaced by a tombstone where nobody knows whether it arrived.
@Suite struct AcceptanceTests {
    @Test func overlappingWorkIsSentWithTheAccept() {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: 2)
        let step = machine.tell(.begin(.overlapping))
        #expect(step.log == .accept)
        #expect(step.commands == [.work(branch: 0), .work(branch: 1)])
        #expect(step.timers.map(\.timer) == [.deadline])
    }

    @Test func keyedWorkWaitsForTheRow() {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: 1)
        #expect(machine.tell(.begin(.first)).commands.isEmpty)
        #expect(machine.tell(.accepted).commands == [.work(branch: 0)])
    }

    @Test func anUnknownAcceptanceIsMadeATombstoneAndNeverSentAgain() {
        var machine = TransactionMachine.begun(2)
        machine.tell(.yes(0))
        let unknown = machine.tell(.acceptUnknown)
        #expect(unknown.log == .tombstone)
        #expect(unknown.commands == [.cancel(branch: 1)])
        #expect(!machine.isAccepted)
        for event: Event in [.decisionUnknown, .due(.decideAgain), .due(.deadline)] {
            #expect(machine.tell(event).log != .accept)
        }
        machine.tell(.voted(branch: 1, .refused))
        #expect(machine.tell(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
        #expect(
            machine.tell(.finished(branch: 0, .done)).reply == .aborted(.acceptanceUnknown))
    }

    @Test(arguments: [(Event.acceptRefused, Reply.keyTaken), (.acceptUnavailable, .notAccepted)])
    func aRefusedAcceptCancelsAndRollsBack(_ event: Event, _ reply: Reply) {
        var machine = TransactionMachine.begun(3)
        machine.tell(.yes(0))
        machine.tell(.voted(branch: 1, .lost))
        let step = machine.tell(event)
        #expect(step.reply == reply)
        #expect(step.log == nil)
        #expect(
            step.commands == [
                .cancel(branch: 2), .rollbackPrepared(branch: 0), .fenceAndRollBack(branch: 1),
            ])
        // The cancel came too late.
        #expect(machine.tell(.yes(2)).commands == [.rollbackPrepared(branch: 2)])
        for branch in 0..<3 { machine.tell(.finished(branch: branch, .done)) }
        #expect(machine.phase == .withdrawn)
        #expect(machine.state == .aborted)
    }

    /// Nothing is hidden because no row exists: an operator's own COMMIT PREPARED is reported.
    @Test(arguments: [FinishReply.unprovable, .provedCommitted])
    func aWithdrawalThatEndsOtherwiseNeedsAnOperator(_ reply: FinishReply) {
        var machine = TransactionMachine.begun(1)
        machine.tell(.yes(0))
        machine.tell(.acceptRefused)
        #expect(machine.tell(.finished(branch: 0, reply)).isLast)
        #expect(machine.state == .needsOperator)
    }

    @Test func aRefusedKeySendsNothingWhereWorkWaits() {
        var machine = TransactionMachine.begun(2, .first)
        let step = machine.tell(.acceptRefused)
        #expect(step.commands.isEmpty && step.isLast)
        #expect(step.reply == .keyTaken)
    }

    @Test func anAbortWaitsForTheRowThatIsToHoldIt() {
        var machine = TransactionMachine.begun(1)
        let step = machine.tell(.rollbackRequested)
        #expect(step.log == nil)
        #expect(step.commands == [.cancel(branch: 0)])
        #expect(machine.tell(.accepted).log == .decide(.abort))
        #expect(machine.cause == .requested)
    }
}
