import CommitProtocol
import Testing

/// Random histories: none breaks a rule, and every planted mistake does.
///
/// A failing seed is read with `Explorer.transcript(seed:)`, with the mistake if there is one.
@Suite struct ExplorerTests {
    /// Four parts, so that they run side by side.
    @Test(arguments: 0..<4)
    func noHistoryBreaksARule(_ part: Int) {
        let seeds = UInt64(part) * 6_000..<UInt64(part + 1) * 6_000
        for seed in seeds {
            if let violation = Explorer.run(seed: seed) {
                Issue.record("\(violation); replay: Explorer.transcript(seed: \(seed))")
                return
            }
        }
    }

    @Test(arguments: BrokenMachine.allCases)
    func aMistakenMachineIsCaught(_ mistake: BrokenMachine) {
        let caught = (UInt64(0)..<4_000).first { Explorer.run(seed: $0, mistake: mistake) != nil }
        #expect(caught != nil, "\(mistake) went unnoticed")
    }

    @Test(arguments: BrokenWorld.allCases)
    func aBrokenWorldIsCaught(_ broken: BrokenWorld) {
        let caught = (UInt64(0)..<4_000).first { Explorer.run(seed: $0, broken: broken) != nil }
        #expect(caught != nil, "\(broken) went unnoticed")
    }

    /// An explorer that never meets an answer, a takeover or a missing row proves nothing about it.
    @Test func theHistoriesAreVaried() {
        var replies: Set<String> = []
        var takeovers = 0
        var foreignCommits = 0
        var missingRows = 0
        for seed: UInt64 in 0..<3_000 {
            var explorer = Explorer(seed: seed, mistake: nil, broken: nil, isTranscribed: false)
            #expect(throws: Never.self) { try explorer.explore() }
            if let reply = explorer.reply {
                replies.insert(String("\(reply)".prefix { $0 != "(" }))
            }
            if explorer.lives > 1 { takeovers += 1 }
            foreignCommits += explorer.foreignCommits
            missingRows += explorer.missingRows
        }
        #expect(
            replies == [
                "committed", "aborted", "committing", "needsOperator", "outcomeUnknown", "keyTaken",
                "notAccepted", "neverCommits",
            ])
        #expect(takeovers > 300)
        #expect(foreignCommits > 5)
        #expect(missingRows > 5)
    }

    @Test func aSeedIsAWholeHistory() {
        for seed: UInt64 in 1..<50 {
            #expect(Explorer.transcript(seed: seed) == Explorer.transcript(seed: seed))
        }
    }
}
