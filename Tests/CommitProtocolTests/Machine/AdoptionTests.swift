import CommitProtocol
import Testing

/// Rows that recovery takes over.
@Suite struct AdoptionTests {
    @Test func abortsUndecidedRowThenFences() {
        var (machine, step) = TransactionMachine.adopted(nil, .open(), .open())
        #expect(step.log == .decide(.abort))
        #expect(step.commands.isEmpty)
        #expect(
            machine.handle(.decided(.abort)).commands == [
                .fenceAndRollBack(branch: 0), .fenceAndRollBack(branch: 1),
            ])
        machine.handle(.finished(branch: 0, .done))
        let last = machine.handle(.finished(branch: 1, .provedRolledBack))
        #expect(last.isLast && last.reply == nil)
        #expect(machine.state == .aborted)
        #expect(machine.cause == .recovered)
    }

    @Test func finishesCommittedRow() {
        let (machine, step) = TransactionMachine.adopted(
            .commit, .open(evidence(0)), .open(evidence(1)))
        #expect(step.log == nil)
        #expect(step.commands == [.commitPrepared(branch: 0), .commitPrepared(branch: 1)])
        #expect(machine.state == .committing)
        #expect(machine.branches.map(\.vote) == [.prepared, .prepared])
    }

    @Test func fencesAbortedRow() {
        let (machine, step) = TransactionMachine.adopted(.abort, .open(evidence(0)))
        #expect(step.commands == [.fenceAndRollBack(branch: 0)])
        #expect(machine.state == .aborting)
    }

    @Test func finishesOnlyOpenBranches() {
        var (machine, step) = TransactionMachine.adopted(
            .commit, .finished(.committed), .open(evidence(1)), .finished(.committed))
        #expect(step.commands == [.commitPrepared(branch: 1)])
        #expect(machine.handle(.finished(branch: 1, .provedCommitted)).isLast)
        #expect(machine.state == .committed)
    }

    @Test func finishesRowWithoutOpenBranches() {
        let (machine, step) = TransactionMachine.adopted(.abort, .finished(.rolledBack))
        #expect(step.isLast && step.log == .finish && step.reply == nil)
        #expect(machine.state == .aborted)
    }

    @Test func keepsRecordedHeuristicOutcome() {
        let (machine, _) = TransactionMachine.adopted(.commit, .finished(.heuristicHazard))
        #expect(machine.state == .needsOperator)
    }

    /// An outcome recorded against the decision is reported, whatever its origin.
    @Test(arguments: [(Decision.abort, Outcome.committed), (.commit, .rolledBack)])
    func reportsRecordedOutcomeAgainstDecision(_ decision: Decision, _ outcome: Outcome) {
        let (machine, _) = TransactionMachine.adopted(decision, .finished(outcome))
        #expect(machine.state == .needsOperator)
    }

    @Test func tombstonesAdoptedRowThatIsGone() {
        var machine = TransactionMachine.adopted(nil, .open()).machine
        #expect(machine.handle(.decisionMissing).log == .tombstone)
        #expect(machine.handle(.decided(.abort)).commands == [.fenceAndRollBack(branch: 0)])
    }
}
