import CommitProtocol
import Testing

@testable import CommitSimulator

/// Random histories: none breaks a rule, and they are worth reader at.
///
/// `make simulate` runs many more, in release mode.
@Suite struct HistoriesTests {
    /// In parts that run in parallel.
    @Test(arguments: 0..<4)
    func noHistoryBreaksRule(_ part: Int) {
        let seeds = UInt64(part) * 2_500..<UInt64(part + 1) * 2_500
        let failure = Seeds.firstFailure(in: seeds)
        #expect(failure == nil, "\(failure.map { "\($0)" } ?? "")")
    }

    @Test(arguments: namedSeeds.indices)
    func namedSeedsBreakNoRule(_ index: Int) {
        let named = namedSeeds[index]
        let failure = Seeds.firstFailure(in: named.seed..<named.seed + 1)
        #expect(failure == nil, "\(named.name): \(failure.map { "\($0)" } ?? "")")
    }

    /// Histories without some reply, takeover or missing row would prove nothing about it.
    @Test func historiesAreVaried() throws {
        var replies: Set<String> = []
        var phases: Set<String> = []
        var takeovers = 0
        var healed: Int64 = 0
        for seed: UInt64 in 0..<4_000 {
            var history = History(seed: seed, isTranscribed: seed < 1_500)
            try history.run()
            if let reply = history.state.reply {
                replies.insert(String("\(reply)".prefix { $0 != "(" }))
            }
            if history.state.incarnationCount > 1 { takeovers += 1 }
            healed = max(healed, history.clock - history.healed)
            for event in Self.expected where !phases.contains(event) {
                if history.transcript.contains(where: { $0.contains(event) }) {
                    phases.insert(event)
                }
            }
        }
        #expect(
            replies == [
                "committed", "aborted", "committing", "needsOperator", "outcomeUnknown", "keyTaken",
                "notAccepted", "neverCommits",
            ])
        #expect(takeovers > 400)
        #expect(healed > History.lease, "some history waits for a lease to expire")
        #expect(phases == Set(Self.expected))
    }

    /// Texts that the transcripts of a thousand histories must contain.
    private static let expected = [
        "decisionMissing", "delegationFound",
        "localCommitAnswered(CommitProtocol.LocalCommitReply.unknown)",
        "commitPointAnswered(CommitProtocol.CommitPointAnswer.decided",
        "provedCommitted", "the scan: tombstone", "onlyVisible", "fenceAndRollBack",
        "release(", "runLostSession", "echo(", "failOver(",
    ]

    @Test func seedDeterminesHistory() {
        for seed: UInt64 in 1..<50 {
            #expect(Seeds.transcript(seed).lines == Seeds.transcript(seed).lines)
        }
    }
}
