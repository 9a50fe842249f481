import CommitProtocol
import Testing

/// The COMMIT of the only branch that writes is the decision; it is queried, never repeated.
@Suite struct OnePhaseTests {
    private static func ready() -> TransactionMachine {
        var machine = TransactionMachine.begun([.onePhase, .readOnly])
        machine.handle(.accepted)
        machine.handle(.voted(branch: 1, .held))
        machine.handle(.voted(branch: 0, .ready(evidence(0))))
        return machine
    }

    private static func committingLocally() -> TransactionMachine {
        var machine = ready()
        machine.handle(.delegated)
        return machine
    }

    @Test func commitsOnlyAfterTransactionIDIsDurable() {
        var machine = TransactionMachine.begun([.onePhase])
        machine.handle(.accepted)
        let asked = machine.handle(.voted(branch: 0, .ready(evidence(0))))
        #expect(asked.log == .delegate && asked.commands.isEmpty)
        let delegated = machine.handle(.delegated)
        #expect(delegated.commands == [.commitLocally(branch: 0)] && delegated.reply == nil)
        let last = machine.handle(.localCommitAnswered(.committed))
        #expect(last.isLast && last.log == .finish && last.reply == .committed)
    }

    @Test func commitReleasesReaders() {
        var machine = Self.committingLocally()
        #expect(
            machine.handle(.localCommitAnswered(.committed)).commands == [
                .release(branch: 1, .commit)
            ])
        #expect(machine.handle(.finished(branch: 1, .done)).reply == .committed)
    }

    @Test func repeatsUnknownDelegation() {
        var machine = Self.ready()
        let unknown = machine.handle(.decisionUnknown)
        #expect(unknown.commands.isEmpty && unknown.timers.map(\.timer) == [.decideAgain])
        #expect(machine.handle(.due(.decideAgain)).log == .delegate)
    }

    @Test func obeysEarlierAbort() {
        var machine = Self.ready()
        #expect(
            machine.handle(.decided(.abort)).commands
                == [.release(branch: 0, .abort), .release(branch: 1, .abort)])
        #expect(machine.cause == .decidedElsewhere)
    }

    @Test(arguments: [Event.due(.deadline), .rollbackRequested])
    func ignoresAbortAfterDelegation(_ event: Event) {
        var machine = Self.ready()
        #expect(machine.handle(event) == Step())
        machine.handle(.delegated)
        #expect(machine.handle(event) == Step())
    }

    @Test func queriesLostCommitWithoutRepeatingIt() {
        var machine = Self.committingLocally()
        #expect(
            machine.handle(.localCommitAnswered(.unknown)).commands == [
                .queryCommitPoint(branch: 0)
            ])
        let later = machine.handle(.commitPointAnswered(.tryAgain))
        #expect(later.commands.isEmpty && later.timers.map(\.timer) == [.queryAgain])
        #expect(machine.handle(.due(.finishWait)).reply == .outcomeUnknown)
        #expect(machine.handle(.due(.queryAgain)).commands == [.queryCommitPoint(branch: 0)])
        let known = machine.handle(.commitPointAnswered(.decided(.commit)))
        #expect(known.log == .copy(.commit) && known.commands.isEmpty)
        #expect(machine.handle(.decided(.commit)).commands == [.release(branch: 1, .commit)])
    }

    @Test func copiesRefusedCommitBeforeReply() {
        var machine = Self.committingLocally()
        let refused = machine.handle(.localCommitAnswered(.rolledBack))
        #expect(refused.log == .copy(.abort) && refused.reply == nil)
        machine.handle(.decided(.abort))
        #expect(
            machine.handle(.finished(branch: 1, .done)).reply == .aborted(.refused(branch: 0)))
    }

    @Test func leavesUnprovableCommitPointToOperator() {
        var machine = Self.committingLocally()
        machine.handle(.localCommitAnswered(.unknown))
        let last = machine.handle(.commitPointAnswered(.unprovable))
        #expect(last.isLast && last.log == .report && last.reply == .needsOperator)
        #expect(machine.state == .needsOperator && machine.decision == nil)
        #expect(machine.branches[0].outcome == .heuristicHazard)
    }

    @Test func queriesAdoptedDelegation() {
        var (machine, step) = TransactionMachine.adopted(
            nil, commitModes: [.onePhase], isDelegated: true, .open(evidence(0)))
        #expect(step.log == nil && step.commands == [.queryCommitPoint(branch: 0)])
        #expect(machine.handle(.commitPointAnswered(.decided(.abort))).log == .copy(.abort))
        #expect(machine.handle(.decided(.abort)).isLast)
        #expect(machine.state == .aborted)
    }

    /// The owner was only paused: it delegated after its row was read and before the abort.
    @Test func queriesDelegationFoundByAbort() {
        var (machine, step) = TransactionMachine.adopted(nil, commitModes: [.onePhase], .open())
        #expect(step.log == .decide(.abort))
        let found = machine.handle(.delegationFound(evidence: [evidence(0)]))
        #expect(found.commands == [.queryCommitPoint(branch: 0)])
        #expect(machine.branches[0].evidence == evidence(0))
    }
}
