import CommitProtocol
import Testing

/// The accept is sent once; a tombstone replaces it if its result is unknown.
@Suite struct AcceptanceTests {
    @Test func sendsOverlappingWorkWithAccept() {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: 2)
        let step = machine.handle(.begin(.overlapping))
        #expect(step.log == .accept)
        #expect(step.commands == [.work(branch: 0), .work(branch: 1)])
        #expect(step.timers.map(\.timer) == [.deadline])
    }

    @Test func holdsKeyedWorkUntilRowIsDurable() {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: 1)
        #expect(machine.handle(.begin(.first)).commands.isEmpty)
        #expect(machine.handle(.accepted).commands == [.work(branch: 0)])
    }

    @Test func replacesUnknownAcceptByTombstone() {
        var machine = TransactionMachine.begun(2)
        machine.handle(.yes(0))
        let unknown = machine.handle(.acceptUnknown)
        #expect(unknown.log == .tombstone)
        #expect(unknown.commands == [.cancel(branch: 1)])
        #expect(!machine.isAccepted)
        for event: Event in [.decisionUnknown, .due(.decideAgain), .due(.deadline)] {
            #expect(machine.handle(event).log != .accept)
        }
        machine.handle(.voted(branch: 1, .refused))
        #expect(machine.handle(.decided(.abort)).commands == [.rollbackPrepared(branch: 0)])
        #expect(
            machine.handle(.finished(branch: 0, .done)).reply == .aborted(.acceptanceUnknown))
    }

    @Test(arguments: [(Event.acceptRefused, Reply.keyTaken), (.acceptUnavailable, .notAccepted)])
    func rollsBackAfterRefusedAccept(_ event: Event, _ reply: Reply) {
        var machine = TransactionMachine.begun(3)
        machine.handle(.yes(0))
        machine.handle(.voted(branch: 1, .lost))
        let step = machine.handle(event)
        #expect(step.reply == reply)
        #expect(step.log == nil)
        #expect(
            step.commands == [
                .cancel(branch: 2), .rollbackPrepared(branch: 0), .fenceAndRollBack(branch: 1),
            ])
        // The cancel was too late.
        #expect(machine.handle(.yes(2)).commands == [.rollbackPrepared(branch: 2)])
        for branch in 0..<3 { machine.handle(.finished(branch: branch, .done)) }
        #expect(machine.phase == .withdrawn)
        #expect(machine.state == .aborted)
    }

    /// An operator's own COMMIT PREPARED is reported even without a row.
    @Test(arguments: [FinishReply.unprovable, .provedCommitted])
    func reportsHeuristicOutcomeOfWithdrawal(_ reply: FinishReply) {
        var machine = TransactionMachine.begun(1)
        machine.handle(.yes(0))
        machine.handle(.acceptRefused)
        #expect(machine.handle(.finished(branch: 0, reply)).isLast)
        #expect(machine.state == .needsOperator)
    }

    @Test func sendsNothingForTakenKey() {
        var machine = TransactionMachine.begun(2, .first)
        let step = machine.handle(.acceptRefused)
        #expect(step.commands.isEmpty && step.isLast)
        #expect(step.reply == .keyTaken)
    }

    @Test func delaysAbortUntilRowIsDurable() {
        var machine = TransactionMachine.begun(1)
        let step = machine.handle(.rollbackRequested)
        #expect(step.log == nil)
        #expect(step.commands == [.cancel(branch: 0)])
        #expect(machine.handle(.accepted).log == .decide(.abort))
        #expect(machine.cause == .requested)
    }
}
