/// One random history of transactions that contend for rows; the same seed gives the same history.
package struct LockHistory {
    private var world: LockWorld
    package var lines: [String] { world.lines ?? [] }

    /// The deadlocks in it, and the longest one, in microseconds.
    package var deadlockCount: Int { world.rules.deadlockCount }
    package var longestDeadlock: Int64 { world.rules.longestDeadlock }
    /// How long the parameters let one last.
    package var deadlockMax: Int64 { world.setting.deadlockMax }
    package var victimCount: Int { world.figures.victimCount }
    package var replicaCount: Int { world.setting.replicaCount }
    package var siteCount: Int { world.setting.siteCount }
    package var commitCount: Int { world.requests.count { $0.answer == .committed } }
    package var failureCount: Int { world.requests.count - commitCount }
    package var hasLosses: Bool { world.setting.lossPercent > 0 }
    package var longestAttempt: Int { world.requests.map(\.attempts).max() ?? 0 }

    package init(
        seed: UInt64, policy: LockPolicy = .graph, mistake: LockMistake? = nil,
        isTranscribed: Bool = false
    ) {
        var random = SplitMix64(seed: seed)
        var setting = LockSetting()
        setting.siteCount = 2 + random.below(3)
        setting.replicaCount = 1 + random.below(3)
        setting.policy = mistake?.policy ?? policy
        setting.mistake = mistake
        setting.delay = 100...[300, 3_000, 30_000][random.below(3)]
        setting.logDelay = 500...[1_500, 10_000, 80_000][random.below(3)]
        setting.lossPercent = [0, 10, 40][random.below(3)]
        setting.healed = setting.lossPercent == 0 ? 0 : 400_000
        setting.retries = [10, 10, 100][random.below(3)]
        world = LockWorld(setting, random: random)
        if isTranscribed { world.lines = [] }
        populate()
    }

    /// Requests over random hot rows, and other programs among them.
    private mutating func populate() {
        let rowCount = 1 + world.random.below(4)
        let span = [50_000, 300_000][world.random.below(2)]
        let slowest = [2_000, 60_000][world.random.below(2)]
        for _ in 0..<3 + world.random.below(10) {
            let began = Int64(world.random.below(span))
            let hasLittleTime = world.random.percent(15)
            let time = hasLittleTime ? Int64(20_000 + world.random.below(300_000)) : 60_000_000
            var sites = Array(0..<world.setting.siteCount)
            let plans = (0..<min(sites.count, 2 + world.random.below(3))).map { _ in
                BranchPlan(
                    site: sites.remove(at: world.random.below(sites.count)),
                    statements: statements(rowCount, slowest))
            }
            world.add(
                LockRequest(
                    plans: plans, isInOrder: world.random.percent(30),
                    replica: world.random.below(world.setting.replicaCount), began: began,
                    deadline: began + time))
        }
        for _ in 0..<max(0, world.random.below(6) - 2) {
            let plan = BranchPlan(
                site: world.random.below(world.setting.siteCount),
                statements: statements(rowCount, slowest))
            world.addStranger(plan, at: Int64(world.random.below(span)))
        }
    }

    private mutating func statements(
        _ rowCount: Int, _ slowest: Int
    ) -> [(row: Int, duration: Int64)] {
        var rows = Array(0..<rowCount)
        return (0..<1 + world.random.below(min(rowCount, 3))).map { _ in
            (
                row: rows.remove(at: world.random.below(rows.count)),
                duration: Int64(world.random.below(slowest))
            )
        }
    }

    /// Runs to the end.
    package mutating func run() throws(Violation) {
        try world.run(until: 50_000_000) { $0.isAtRest }
        try world.checkAnswers()
    }
}

/// Many histories of transactions that contend for rows.
package enum LockSeeds {
    /// The first of these seeds that breaks a rule, with the policy as built.
    package static func firstFailure(
        in seeds: Range<UInt64>, policy: LockPolicy = .graph, mistake: LockMistake? = nil
    ) -> (seed: UInt64, violation: Violation)? {
        for seed in seeds {
            var history = LockHistory(seed: seed, policy: policy, mistake: mistake)
            do throws(Violation) { try history.run() } catch { return (seed, error) }
        }
        return nil
    }

    /// The transcript of a seed.
    package static func transcript(
        _ seed: UInt64, mistake: LockMistake? = nil
    ) -> (lines: [String], violation: Violation?) {
        var history = LockHistory(seed: seed, mistake: mistake, isTranscribed: true)
        do throws(Violation) {
            try history.run()
            return (history.lines, nil)
        } catch {
            return (history.lines, error)
        }
    }
}
