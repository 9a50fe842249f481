import CommitProtocol
import Testing

/// Branches declared READ ONLY: held until the decision, and never prepared.
@Suite struct ReadOnlyTests {
    @Test func aHeldBranchIsAVoteAndIsReleasedByTheDecision() {
        var machine = TransactionMachine.begun([.twoPhase, .readOnly])
        machine.tell(.accepted)
        machine.tell(.yes(0))
        #expect(machine.tell(.voted(branch: 1, .held)).log == .decide(.commit))
        #expect(machine.branches[1].vote == .readOnly)
        #expect(
            machine.tell(.decided(.commit)).commands
                == [.commitPrepared(branch: 0), .release(branch: 1, .commit)])
        machine.tell(.finished(branch: 1, .done))
        #expect(machine.tell(.finished(branch: 0, .done)).reply == .committed)
        #expect(machine.branches[1].outcome == .committed)
    }

    @Test func anAbortReleasesItAndALostSessionIsFenced() {
        var machine = TransactionMachine.begun([.readOnly, .twoPhase])
        machine.tell(.accepted)
        machine.tell(.voted(branch: 0, .held))
        machine.tell(.voted(branch: 1, .refused))
        #expect(machine.tell(.decided(.abort)).commands == [.release(branch: 0, .abort)])
        machine.tell(.finished(branch: 0, .tryAgain))
        #expect(
            machine.tell(.due(.finishAgain(branch: 0))).commands == [.fenceAndRollBack(branch: 0)])
        #expect(machine.tell(.finished(branch: 0, .done)).isLast)
        #expect(machine.state == .aborted)
    }

    /// What a lost session had read is lost with it, and a commit keeps nothing of it.
    ///
    /// But its locks are not, before the session is gone.
    @Test func aSessionLostAfterACommitIsFencedAndEndsTheBranch() {
        var machine = TransactionMachine.begun([.readOnly])
        machine.tell(.accepted)
        machine.tell(.voted(branch: 0, .held))
        machine.tell(.decided(.commit))
        machine.tell(.finished(branch: 0, .tryAgain))
        let again = machine.tell(.due(.finishAgain(branch: 0)))
        #expect(again.commands == [.fenceAndRollBack(branch: 0)])
        let last = machine.tell(.finished(branch: 0, .provedRolledBack))
        #expect(last.isLast && last.reply == .committed)
    }

    /// A paused owner may still hold the session, and with it locks.
    @Test func anAdoptedCommitHasOnlyTheSessionToEndThere() {
        let adopted = TransactionMachine.adopted(
            .commit, commitModes: [.readOnly, .twoPhase], .open(), .open(evidence(1)))
        var machine = adopted.machine
        #expect(
            adopted.step.commands
                == [.fenceAndRollBack(branch: 0), .commitPrepared(branch: 1)])
        machine.tell(.finished(branch: 0, .provedRolledBack))
        #expect(machine.branches[0].outcome == .committed)
        #expect(machine.branches.map(\.vote) == [.readOnly, .prepared])
    }
}
