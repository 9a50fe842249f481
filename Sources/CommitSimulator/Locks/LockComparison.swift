internal import CommitProtocol

/// Clients in closed loops that want the same rows, to compare policies by.
package struct LockLoad: Sendable {
    package let name: String
    let clientCount: Int
    /// Makes the branches of a client's next request.
    private let plans: @Sendable (inout SplitMix64, _ client: Int) -> [BranchPlan]
    /// Whether callers ask for their branches one after the other, in one order for all.
    private let isInOrder: Bool

    private init(
        _ name: String, clients: Int, isInOrder: Bool = false,
        plans: @escaping @Sendable (inout SplitMix64, _ client: Int) -> [BranchPlan]
    ) {
        self.name = name
        clientCount = clients
        self.isInOrder = isInOrder
        self.plans = plans
    }

    /// All levels of contention.
    package static let all: [LockLoad] =
        [4, 32].map { clients in
            LockLoad("hot pair, \(clients) clients", clients: clients) { _, _ in
                [update(0, of: 0), update(0, of: 1)]
            }
        } + [
            LockLoad("bank, Zipf 0.99 over 1,000 accounts, 32 clients", clients: 32) { random, _ in
                let from = Zipf.accounts.next(&random)
                var to = Zipf.accounts.next(&random)
                while to == from { to = Zipf.accounts.next(&random) }
                return (0..<2).compactMap { site in
                    let rows = [from, to].filter { $0 % 2 == site }
                    guard !rows.isEmpty else { return nil }
                    return BranchPlan(site: site, statements: rows.map { (row: $0, duration: 200) })
                }
            },
            LockLoad("one hot row with a queue of 32", clients: 32) { _, client in
                [update(0, of: 0), update(client, of: 1)]
            },
            LockLoad("slow statements in one order, 16 clients", clients: 16, isInOrder: true) {
                random, _ in
                (0..<2).map { site in
                    update(random.below(4), of: site, takes: Int64(10_000 + random.below(90_000)))
                }
            },
        ]

    private static func update(_ row: Int, of site: Int, takes time: Int64 = 200) -> BranchPlan {
        BranchPlan(site: site, statements: [(row: row, duration: time)])
    }

    /// Runs it for so many simulated seconds.
    package func run(_ choice: LockChoice, seconds: Int64, seed: UInt64) throws(Violation)
        -> LockOutcome
    {
        var setting = choice.setting
        setting.replicaCount = 3
        var world = LockWorld(setting, random: SplitMix64(seed: seed))
        world.rules.areEnforced = false
        world.nextRequest = { world, client in
            let request = LockRequest(
                plans: plans(&world.random, client), isInOrder: isInOrder,
                replica: client % setting.replicaCount, began: world.now,
                deadline: world.now + 60_000_000, client: client)
            world.add(request)
        }
        for client in 0..<clientCount { world.nextRequest(&world, client) }
        try world.run(until: seconds * 1_000_000)
        return LockOutcome(world, seconds: seconds)
    }
}

/// A way to end deadlocks, with its parameters.
package struct LockChoice: Sendable {
    package let name: String
    let setting: LockSetting

    private init(_ name: String, _ change: (inout LockSetting) -> Void) {
        self.name = name
        var setting = LockSetting()
        change(&setting)
        self.setting = setting
    }

    /// What the decision record compares.
    package static let all: [LockChoice] = [
        LockChoice("graph, ordered after a deadlock") { $0.ordersAfterDeadlock = true },
        LockChoice("graph") { _ in },
        LockChoice("graph, without row holders") { $0.addsRowHolder = false },
        LockChoice("graph of one reading") { $0.mistake = .oneReading },
        LockChoice("graph of one reading, every 2 s") {
            ($0.mistake, $0.interval, $0.threshold) = (.oneReading, 2_000_000, 0)
        },
        LockChoice("wound-wait, grace 20 ms") { $0.policy = .woundWait(grace: 20_000) },
        LockChoice("wound-wait, grace 100 ms") { $0.policy = .woundWait(grace: 100_000) },
        LockChoice("timeout 1 s") { $0.policy = .timeout(1_000_000) },
        LockChoice("timeout 5 s") { $0.policy = .timeout(5_000_000) },
    ]
}

/// What a load came to under a policy.
package struct LockOutcome: Sendable {
    package let commitsPerSecond: Double
    package let victimsPerCommit: Double
    package let wrongVictimCount: Int
    package let failureCount: Int
    package let p99: Int64
    package let longestWait: Int64

    fileprivate init(_ world: LockWorld, seconds: Int64) {
        let figures = world.figures
        commitsPerSecond = Double(figures.commitCount) / Double(seconds)
        victimsPerCommit = Double(figures.victimCount) / Double(max(1, figures.commitCount))
        wrongVictimCount = figures.wrongVictimCount
        failureCount = figures.failureCount
        // What is not answered yet has waited at least until now.
        let pending = world.requests.filter { $0.answer == nil }.map { world.now - $0.began }
        let latencies = (figures.latencies + pending).sorted()
        p99 = latencies.isEmpty ? 0 : latencies[(latencies.count - 1) * 99 / 100]
        let waits = world.actors.flatMap(\.branches).filter { $0.phase == .waiting }
        longestWait = max(figures.longestWait, waits.map { world.now - $0.waitBegan }.max() ?? 0)
    }
}

/// A skewed choice: the n-th of 1,000 comes up in proportion to n to the power of -0.99.
private struct Zipf {
    static let accounts = Zipf(count: 1_000)
    private let sums: [Double]

    init(count: Int) {
        var sum = 0.0
        sums = (1...count).map { rank in
            sum += Self.power(Double(rank))
            return sum
        }
    }

    /// `rank` to the power of -0.99, without a library: 1/x times the hundredth root of x.
    private static func power(_ rank: Double) -> Double {
        var root = 1.0
        for _ in 0..<200 {
            var power = 1.0
            for _ in 0..<99 { power *= root }
            root -= (power * root - rank) / (100 * power)
        }
        return root / rank
    }

    func next(_ random: inout SplitMix64) -> Int {
        let total = sums[sums.count - 1]
        let point = total * Double(random.below(1 << 30)) / Double(1 << 30)
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > point { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
