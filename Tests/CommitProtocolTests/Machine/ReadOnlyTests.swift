import CommitProtocol
import Testing

/// Branches declared READ ONLY are held until the decision and never prepared.
@Suite struct ReadOnlyTests {
    @Test func decisionReleasesHeldBranch() {
        var machine = TransactionMachine.begun([.twoPhase, .readOnly])
        machine.handle(.accepted)
        machine.handle(.yes(0))
        #expect(machine.handle(.voted(branch: 1, .held)).log == .decide(.commit))
        #expect(machine.branches[1].vote == .readOnly)
        #expect(
            machine.handle(.decided(.commit)).commands
                == [.commitPrepared(branch: 0), .release(branch: 1, .commit)])
        machine.handle(.finished(branch: 1, .done))
        #expect(machine.handle(.finished(branch: 0, .done)).reply == .committed)
        #expect(machine.branches[1].outcome == .committed)
    }

    @Test func abortReleasesHeldBranchAndFencesLostSession() {
        var machine = TransactionMachine.begun([.readOnly, .twoPhase])
        machine.handle(.accepted)
        machine.handle(.voted(branch: 0, .held))
        machine.handle(.voted(branch: 1, .refused))
        #expect(machine.handle(.decided(.abort)).commands == [.release(branch: 0, .abort)])
        machine.handle(.finished(branch: 0, .tryAgain))
        #expect(
            machine.handle(.due(.finishAgain(branch: 0))).commands == [.fenceAndRollBack(branch: 0)]
        )
        #expect(machine.handle(.finished(branch: 0, .done)).isLast)
        #expect(machine.state == .aborted)
    }

    /// A commit keeps nothing of a read, but its locks remain until the session is gone.
    @Test func fencesSessionLostAfterCommit() {
        var machine = TransactionMachine.begun([.readOnly])
        machine.handle(.accepted)
        machine.handle(.voted(branch: 0, .held))
        machine.handle(.decided(.commit))
        machine.handle(.finished(branch: 0, .tryAgain))
        let again = machine.handle(.due(.finishAgain(branch: 0)))
        #expect(again.commands == [.fenceAndRollBack(branch: 0)])
        let last = machine.handle(.finished(branch: 0, .provedRolledBack))
        #expect(last.isLast && last.reply == .committed)
    }

    /// A paused owner may still hold the session and its locks.
    @Test func adoptedCommitFencesReadOnlySession() {
        let adopted = TransactionMachine.adopted(
            .commit, commitModes: [.readOnly, .twoPhase], .open(), .open(evidence(1)))
        var machine = adopted.machine
        #expect(
            adopted.step.commands
                == [.fenceAndRollBack(branch: 0), .commitPrepared(branch: 1)])
        machine.handle(.finished(branch: 0, .provedRolledBack))
        #expect(machine.branches[0].outcome == .committed)
        #expect(machine.branches.map(\.vote) == [.readOnly, .prepared])
    }
}
