import CommitProtocol
import Testing

/// The only branch that writes: its COMMIT is the decision, and its fate is asked, never repeated.
@Suite struct OnePhaseTests {
    private static func ready() -> TransactionMachine {
        var machine = TransactionMachine.begun([.onePhase, .readOnly])
        machine.tell(.accepted)
        machine.tell(.voted(branch: 1, .held))
        machine.tell(.voted(branch: 0, .ready(evidence(0))))
        return machine
    }

    private static func committingLocally() -> TransactionMachine {
        var machine = ready()
        machine.tell(.delegated)
        return machine
    }

    @Test func theTransactionIDIsDurableBeforeTheCommitIsSent() {
        var machine = TransactionMachine.begun([.onePhase])
        machine.tell(.accepted)
        let asked = machine.tell(.voted(branch: 0, .ready(evidence(0))))
        #expect(asked.log == .delegate && asked.commands.isEmpty)
        let delegated = machine.tell(.delegated)
        #expect(delegated.commands == [.commitLocally(branch: 0)] && delegated.reply == nil)
        let last = machine.tell(.localCommitAnswered(.committed))
        #expect(last.isLast && last.log == .finish && last.reply == .committed)
    }

    @Test func readersAreReleasedByTheCommit() {
        var machine = Self.committingLocally()
        #expect(
            machine.tell(.localCommitAnswered(.committed)).commands == [
                .release(branch: 1, .commit)
            ])
        #expect(machine.tell(.finished(branch: 1, .done)).reply == .committed)
    }

    @Test func anUnknownDelegationIsAskedAgainAndNothingIsCommitted() {
        var machine = Self.ready()
        let unknown = machine.tell(.decisionUnknown)
        #expect(unknown.commands.isEmpty && unknown.timers.map(\.timer) == [.decideAgain])
        #expect(machine.tell(.due(.decideAgain)).log == .delegate)
    }

    @Test func anAbortThatWasThereFirstIsObeyed() {
        var machine = Self.ready()
        #expect(
            machine.tell(.decided(.abort)).commands
                == [.release(branch: 0, .abort), .release(branch: 1, .abort)])
        #expect(machine.cause == .decidedElsewhere)
    }

    @Test(arguments: [Event.due(.deadline), .rollbackRequested])
    func nobodyAbortsWhatIsDelegated(_ event: Event) {
        var machine = Self.ready()
        #expect(machine.tell(event) == Step())
        machine.tell(.delegated)
        #expect(machine.tell(event) == Step())
    }

    @Test func aLostCommitIsAskedForAndNeverSentAgain() {
        var machine = Self.committingLocally()
        #expect(
            machine.tell(.localCommitAnswered(.unknown)).commands == [.queryCommitPoint(branch: 0)])
        let later = machine.tell(.commitPointAnswered(.tryAgain))
        #expect(later.commands.isEmpty && later.timers.map(\.timer) == [.queryAgain])
        #expect(machine.tell(.due(.finishWait)).reply == .outcomeUnknown)
        #expect(machine.tell(.due(.queryAgain)).commands == [.queryCommitPoint(branch: 0)])
        let known = machine.tell(.commitPointAnswered(.decided(.commit)))
        #expect(known.log == .copy(.commit) && known.commands.isEmpty)
        #expect(machine.tell(.decided(.commit)).commands == [.release(branch: 1, .commit)])
    }

    @Test func aRefusedCommitIsCopiedBeforeAnybodyIsTold() {
        var machine = Self.committingLocally()
        let refused = machine.tell(.localCommitAnswered(.rolledBack))
        #expect(refused.log == .copy(.abort) && refused.reply == nil)
        machine.tell(.decided(.abort))
        #expect(
            machine.tell(.finished(branch: 1, .done)).reply == .aborted(.refused(branch: 0)))
    }

    @Test func whatNothingProvesIsLeftToAnOperator() {
        var machine = Self.committingLocally()
        machine.tell(.localCommitAnswered(.unknown))
        let last = machine.tell(.commitPointAnswered(.unprovable))
        #expect(last.isLast && last.log == .report && last.reply == .needsOperator)
        #expect(machine.state == .needsOperator && machine.decision == nil)
        #expect(machine.branches[0].outcome == .heuristicHazard)
    }

    @Test func anAdoptedDelegationIsAsked() {
        var (machine, step) = TransactionMachine.adopted(
            nil, commitModes: [.onePhase], isDelegated: true, .open(evidence(0)))
        #expect(step.log == nil && step.commands == [.queryCommitPoint(branch: 0)])
        #expect(machine.tell(.commitPointAnswered(.decided(.abort))).log == .copy(.abort))
        #expect(machine.tell(.decided(.abort)).isLast)
        #expect(machine.state == .aborted)
    }

    /// The owner was only paused: between the reading of its row and the abort it delegated.
    @Test func anAbortThatFindsADelegationAsksInstead() {
        var (machine, step) = TransactionMachine.adopted(nil, commitModes: [.onePhase], .open())
        #expect(step.log == .decide(.abort))
        let found = machine.tell(.delegationFound(evidence: [evidence(0)]))
        #expect(found.commands == [.queryCommitPoint(branch: 0)])
        #expect(machine.branches[0].evidence == evidence(0))
    }
}
