import CommitProtocol
import Testing

/// Races of the deadline and of the caller, and the replies.
@Suite struct DeadlineAndReplyTests {
    @Test func deadlineBeforeLastVoteAborts() {
        var machine = TransactionMachine.after(2, .accepted, .yes(0))
        let step = machine.handle(.due(.deadline))
        #expect(step.log == .decide(.abort))
        #expect(step.commands == [.cancel(branch: 1)])
        #expect(machine.handle(.yes(1)) == Step())
    }

    @Test func voteAtDeadlineAborts() {
        var machine = TransactionMachine.after(1, .accepted)
        #expect(machine.handle(.yes(0), at: 1_000).log == .decide(.abort))
        #expect(machine.cause == .deadlinePassed)
    }

    @Test func voteBeforeDeadlineCommits() {
        var machine = TransactionMachine.after(1, .accepted)
        #expect(machine.handle(.yes(0), at: 999).log == .decide(.commit))
    }

    @Test(arguments: [Event.due(.deadline), .rollbackRequested])
    func ignoresAbortAfterCommitRequest(_ event: Event) {
        var machine = TransactionMachine.after(1, .accepted, .yes(0))
        #expect(machine.handle(event) == Step())
        machine.handle(.decided(.commit))
        #expect(machine.handle(event) == Step())
        #expect(machine.state == .committing)
    }

    @Test func keepsFirstAbortCause() {
        var machine = TransactionMachine.begun(2)
        machine.handle(.due(.deadline))
        machine.handle(.rollbackRequested)
        machine.handle(.voted(branch: 0, .refused))
        machine.handle(.accepted)
        #expect(machine.cause == .deadlinePassed)
    }

    @Test func repliesOnce() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decided(.commit))
        #expect(machine.handle(.due(.finishWait)).reply == .committing)
        #expect(machine.handle(.due(.finishWait)).reply == nil)
        #expect(machine.handle(.finished(branch: 0, .done)).reply == nil)
    }

    @Test func repliesAtDecision() {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.twoPhase], repliesAtDecision: true)
        for event: Event in [.begin(.overlapping), .accepted, .yes(0)] {
            #expect(machine.handle(event).reply == nil)
        }
        #expect(machine.handle(.decided(.commit)).reply == .committing)
        #expect(machine.handle(.finished(branch: 0, .done)).reply == nil)
    }

    @Test func engineCanPostponeReplyToFinish() {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.twoPhase], repliesAtDecision: true)
        for event: Event in [.begin(.overlapping), .accepted, .yes(0)] { machine.handle(event) }
        machine.repliesAtDecision = false
        #expect(machine.handle(.decided(.commit)).reply == nil)
        #expect(machine.handle(.finished(branch: 0, .done)).reply == .committed)
    }

    @Test func repliesToAbortAtFinish() {
        var machine = TransactionMachine(
            transaction: someTransaction, commitModes: [.twoPhase], repliesAtDecision: true)
        for event: Event in [.begin(.overlapping), .accepted, .yes(0)] { machine.handle(event) }
        #expect(machine.handle(.decided(.abort)).reply == nil)
        #expect(machine.handle(.finished(branch: 0, .done)).reply == .aborted(.decidedElsewhere))
    }

    @Test func repliesOutcomeUnknownForUnconfirmedCommit() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decisionUnknown)
        #expect(machine.handle(.due(.finishWait)).reply == .outcomeUnknown)
    }

    @Test func repliesNeverCommitsForUnconfirmedAbort() {
        var machine = TransactionMachine.after(1, .acceptUnknown, .decisionUnknown)
        #expect(machine.handle(.due(.finishWait)).reply == .neverCommits)
    }

    @Test func repliesToDurableAbortAfterFinishWait() {
        var machine = TransactionMachine.after(1, .accepted, .yes(0), .decided(.abort))
        #expect(machine.handle(.due(.finishWait)).reply == .aborted(.decidedElsewhere))
        #expect(machine.state == .aborting)
    }

    @Test func startsFinishWaitOnceAndNotForAdoptedRow() {
        var machine = TransactionMachine.after(1, .accepted)
        #expect(machine.handle(.yes(0)).timers.map(\.timer) == [.finishWait])
        #expect(machine.handle(.decisionMissing).timers.isEmpty)
        var (adopted, step) = TransactionMachine.adopted(nil, .open())
        #expect(step.timers.isEmpty)
        #expect(adopted.handle(.due(.finishWait)).reply == nil)
    }

    @Test func stateFollowsPhases() {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: 1)
        var states = [machine.state]
        for event: Event in [
            .begin(.first), .accepted, .yes(0), .decided(.commit), .finished(branch: 0, .done),
        ] {
            machine.handle(event)
            states.append(machine.state)
        }
        #expect(
            states == [.active, .preparing, .preparing, .preparing, .committing, .committed])
    }
}
