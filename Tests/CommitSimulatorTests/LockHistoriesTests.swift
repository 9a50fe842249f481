import Testing

@testable import CommitSimulator

/// Random histories of transactions that contend for rows; `make simulate` runs more of them, and `Mutants`
/// plants mistakes.
@Suite struct LockHistories {
    @Test(arguments: [LockPolicy.graph, .woundWait(grace: 20_000)], 0..<4)
    func noHistoryBreaksRule(_ policy: LockPolicy, _ part: UInt64) {
        let failure = LockSeeds.firstFailure(in: part * 100..<(part + 1) * 100, policy: policy)
        #expect(failure == nil, "\(failure.map { "seed \($0.seed): \($0.violation)" } ?? "")")
    }

    /// Histories without deadlocks, losses or several replicas would prove nothing.
    @Test func historiesAreVaried() throws {
        var deadlocks = 0
        var victims = 0
        var attempts = 0
        var failures = 0
        var settings: Set<[Int]> = []
        var longest = 0.0
        for seed: UInt64 in 0..<200 {
            var history = LockHistory(seed: seed)
            try history.run()
            deadlocks += history.deadlockCount
            victims += history.victimCount
            attempts = max(attempts, history.longestAttempt)
            failures += history.failureCount
            settings.insert([history.siteCount, history.replicaCount, history.hasLosses ? 1 : 0])
            longest = max(
                longest, Double(history.longestDeadlock) / Double(history.deadlockMax))
        }
        #expect(deadlocks > 200 && victims > 100)
        #expect(attempts >= 5, "some request loses several times, and commits in the end")
        #expect(failures > 20, "some deadlines pass")
        #expect(settings.count == 3 * 3 * 2)
        #expect(longest > 0.4, "the bound for a deadlock is not far from what is seen")
    }

    @Test func seedDeterminesHistory() {
        for seed: UInt64 in 1..<20 {
            let lines = LockSeeds.transcript(seed).lines
            #expect(LockSeeds.transcript(seed).lines == lines && !lines.isEmpty)
        }
    }

    /// Of a queue, the graph without row holders aborts transactions whose abort frees nobody.
    @Test func countsFewerVictimsWithRowHolders() throws {
        func victims(_ name: String) throws -> Double {
            let load = try #require(LockLoad.all.first { $0.name.hasPrefix("bank") })
            let choice = try #require(LockChoice.all.first { $0.name == name })
            return try load.run(choice, seconds: 1, seed: 1).victimsPerCommit
        }
        #expect(try victims("graph") < victims("graph, without row holders"))
    }
}
