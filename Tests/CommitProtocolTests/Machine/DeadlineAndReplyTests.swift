import CommitProtocol
import Testing

/// Races of the deadline and of the caller, and what the caller is told.
@Suite struct DeadlineAndReplyTests {
    @Test func theDeadlineBeforeTheLastVoteAborts() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let step = machine.tell(.due(.deadline))
        #expect(step.log == .decide(.abort))
        #expect(step.commands == [.cancel(branch: 1)])
        #expect(machine.tell(.yes(1)) == Step())
    }

    @Test func aVoteThatCompletesAtTheDeadlineAborts() {
        var machine = TransactionMachine.after(1, .accepted)
        #expect(machine.tell(.yes(0), at: 1_000).log == .decide(.abort))
        #expect(machine.cause == .deadlinePassed)
    }

    @Test func aVoteJustInTimeCommits() {
        var machine = TransactionMachine.after(1, .accepted)
        #expect(machine.tell(.yes(0), at: 999).log == .decide(.commit))
    }

    @Test(arguments: [Event.due(.deadline), .rollbackRequested])
    func nothingRacesACommitThatWasAskedFor(_ event: Event) {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        #expect(machine.tell(event) == Step())
        machine.tell(.decided(.commit))
        #expect(machine.tell(event) == Step())
        #expect(machine.state == .committing)
    }

    @Test func theFirstCauseOfAnAbortIsKept() {
        var machine = TransactionMachine.begun(2)
        machine.tell(.due(.deadline))
        machine.tell(.rollbackRequested)
        machine.tell(.voted(branch: 0, .refused))
        machine.tell(.accepted)
        #expect(machine.cause == .deadlinePassed)
    }

    @Test func theAnswerIsSaidOnce() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decided(.commit))
        #expect(machine.tell(.due(.finishWait)).reply == .committing)
        #expect(machine.tell(.due(.finishWait)).reply == nil)
        #expect(machine.tell(.finished(branch: 0, .done)).reply == nil)
    }

    @Test func theCallerMayHearOfTheDecisionBeforeTheEnd() {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.twoPhase], repliesAtDecision: true)
        for event: Event in [.begin(.overlapping), .accepted, .yes(0)] {
            #expect(machine.tell(event).reply == nil)
        }
        #expect(machine.tell(.decided(.commit)).reply == .committing)
        #expect(machine.tell(.finished(branch: 0, .done)).reply == nil)
    }

    @Test func theShellMayHaveTheCallerWaitForTheEndAfterAll() {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.twoPhase], repliesAtDecision: true)
        for event: Event in [.begin(.overlapping), .accepted, .yes(0)] { machine.tell(event) }
        machine.repliesAtDecision = false
        #expect(machine.tell(.decided(.commit)).reply == nil)
        #expect(machine.tell(.finished(branch: 0, .done)).reply == .committed)
    }

    @Test func anAbortIsToldAtTheEndAllTheSame() {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.twoPhase], repliesAtDecision: true)
        for event: Event in [.begin(.overlapping), .accepted, .yes(0)] { machine.tell(event) }
        #expect(machine.tell(.decided(.abort)).reply == nil)
        #expect(machine.tell(.finished(branch: 0, .done)).reply == .aborted(.decidedElsewhere))
    }

    @Test func anUndurableCommitIsToldAsUnknown() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decisionUnknown)
        #expect(machine.tell(.due(.finishWait)).reply == .outcomeUnknown)
    }

    @Test func anUndurableAbortIsToldAsNeverCommitting() {
        var machine = TransactionMachine.after(1, .acceptUnknown, .decisionUnknown)
        #expect(machine.tell(.due(.finishWait)).reply == .neverCommits)
    }

    @Test func aDurableAbortIsToldBeforeItsBranchesEnd() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decided(.abort))
        #expect(machine.tell(.due(.finishWait)).reply == .aborted(.decidedElsewhere))
        #expect(machine.state == .aborting)
    }

    @Test func theFinishWaitIsStartedOnceAndNeverForAnAdoptedRow() {
        var machine = TransactionMachine.after(1, .accepted)
        #expect(machine.tell(.yes(0)).timers.map(\.timer) == [.finishWait])
        #expect(machine.tell(.decisionMissing).timers.isEmpty)
        var (adopted, step) = TransactionMachine.adopted(nil, .open())
        #expect(step.timers.isEmpty)
        #expect(adopted.tell(.due(.finishWait)).reply == nil)
    }

    @Test func theStateFollowsTheTransaction() {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: 1)
        var states = [machine.state]
        for event: Event in [
            .begin(.first), .accepted, .yes(0), .decided(.commit), .finished(branch: 0, .done),
        ] {
            machine.tell(event)
            states.append(machine.state)
        }
        #expect(
            states == [.active, .preparing, .preparing, .preparing, .committing, .committed])
    }
}
