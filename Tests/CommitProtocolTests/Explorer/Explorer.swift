import CommitProtocol

/// One seeded history of everything that an environment may legally do to coordinators.
///
/// The invariants are checked at each step. A seed is the whole history: the same seed, the same
/// run.
struct Explorer {
    /// An order on its way.
    ///
    /// Without a driver it outlived its sender, and nobody hears its answer.
    struct Flight {
        enum Order { case log(LogRequest), branch(BranchCommand) }

        var driver: Int?
        let order: Order
        /// What the sender knew when it sent the order.
        let evidence: [PreparedEvidence?]
        let outcomes: [Outcome?]
        /// The fence terminated the session that carries it.
        var isKilled = false
    }

    var random: SplitMix64
    var world: World
    var drivers: [Driver] = []
    var flights: [Flight] = []
    /// How often, in a hundred, an order or its answer goes wrong.
    let faultPercent: Int
    /// How often, in a hundred, something happens that nobody asked for.
    let disturbancePercent: Int
    /// When faults stop.
    let faultyTurns: Int
    var turns = 0
    var lives = 0
    /// Whether anything happened that excuses an abort.
    var hasFailed = false
    var reply: Reply?
    /// How often a machine that asked for abort heard commit.
    var foreignCommits = 0
    /// How often a machine found no row to decide in.
    var missingRows = 0
    let mistake: BrokenMachine?
    /// What happened, where somebody wants to read it.
    var transcript: [String]?

    var isFaulty: Bool { turns < faultyTurns }

    init(seed: UInt64, mistake: BrokenMachine?, broken: BrokenWorld?, isTranscribed: Bool) {
        random = SplitMix64(seed: seed)
        world = World(branchCount: 1 + random.below(3), broken: broken)
        faultPercent = [0, 5, 20, 45][random.below(4)]
        disturbancePercent = [0, 3, 10, 25][random.below(4)]
        faultyTurns = faultPercent + disturbancePercent == 0 ? 0 : 5 + random.below(50)
        self.mistake = mistake
        transcript = isTranscribed ? [] : nil
    }

    /// Runs one seed; the violation it ends in, if any.
    static func run(
        seed: UInt64, mistake: BrokenMachine? = nil, broken: BrokenWorld? = nil
    ) -> Violation? {
        var explorer = Explorer(seed: seed, mistake: mistake, broken: broken, isTranscribed: false)
        do throws(Violation) {
            try explorer.explore()
            return nil
        } catch {
            return error
        }
    }

    /// What happened in one seed, line by line.
    static func transcript(
        seed: UInt64, mistake: BrokenMachine? = nil, broken: BrokenWorld? = nil
    ) -> [String] {
        var explorer = Explorer(seed: seed, mistake: mistake, broken: broken, isTranscribed: true)
        do throws(Violation) {
            try explorer.explore()
        } catch {
            explorer.note("violation: \(error)")
        }
        return explorer.transcript ?? []
    }

    mutating func note(_ line: @autoclosure () -> String) {
        if transcript != nil { transcript?.append(line()) }
    }

    mutating func explore() throws(Violation) {
        world.isKeyTaken = random.percent(faultPercent / 4)
        if world.isKeyTaken { hasFailed = true }
        drivers.append(Driver(life: 0, branchCount: world.sites.count))
        lives = 1
        try deliver(.begin(random.percent(50) ? .overlapping : .first), to: 0)
        while try turn() {
            turns += 1
            guard turns < faultyTurns + 300 else {
                throw Violation("AC5: not at rest 300 turns after the last fault")
            }
        }
        try checkAtRest()
    }

    /// One thing happens; false when the world is at rest.
    private mutating func turn() throws(Violation) -> Bool {
        if turns == faultyTurns { healSessions() }
        if isFaulty, random.percent(disturbancePercent) {
            try disturb()
            return true
        }
        var choice = flights.count + drivers.reduce(0) { $0 + $1.timers.count }
        guard choice > 0 else {
            if let driver = drivers.first {
                throw Violation("AC5: life \(driver.life) waits for nothing")
            }
            return try recover() || isFaulty
        }
        choice = random.below(choice)
        if choice < flights.count {
            let flight = flights.remove(at: choice)
            try land(flight)
            return true
        }
        choice -= flights.count
        for index in drivers.indices {
            if choice < drivers[index].timers.count {
                try fire(choice, of: index)
                return true
            }
            choice -= drivers[index].timers.count
        }
        return true
    }

    private mutating func fire(_ choice: Int, of index: Int) throws(Violation) {
        let timer = drivers[index].timers[choice]
        // Most transactions outrun their deadline and the wait; without faults none meets it.
        let isBound = timer == .deadline || timer == .finishWait
        if isBound, !flights.isEmpty, !random.percent(12) { return }
        drivers[index].timers.remove(at: choice)
        if timer == .deadline {
            guard faultyTurns > 0 else { return }
            hasFailed = true
        }
        try deliver(.due(timer), to: drivers[index].life)
    }

    /// A session that is still open when faults stop prepares now, or never.
    private mutating func healSessions() {
        for branch in world.sites.indices where world.sites[branch].mayPrepareLate {
            world.sites[branch].mayPrepareLate = false
            if random.percent(50) { world.prepare(branch) }
        }
    }

    /// A driver takes an event; what it says is checked and sent.
    ///
    /// An echo answers no order.
    mutating func deliver(
        _ event: Event, to life: Int, isEcho: Bool = false
    ) throws(Violation) {
        guard let index = drivers.firstIndex(where: { $0.life == life }) else { return }
        note("\(life) hears \(event)")
        if !isEcho { drivers[index].hear(event) }
        if case .decided(.commit, _) = event,
            drivers[index].machine.phase == .deciding(.abort, viaTombstone: false)
        {
            foreignCommits += 1
        }
        if event == .decisionMissing { missingRows += 1 }
        var heard = event
        if let mistake {
            guard let changed = mistake.hears(event, drivers[index].machine) else { return }
            heard = changed
        }
        let isLate = isFaulty && random.percent(faultPercent / 10)
        if isLate { hasFailed = true }
        let before = drivers[index].machine.state
        var step = drivers[index].machine.handle(heard, at: isLate ? 1_000 : 0, deadline: 1_000)
        mistake?.says(&step, drivers[index].machine)
        note("\(life) says \(step)")
        try Driver.checkMove(from: before, to: drivers[index].machine.state)
        try drivers[index].checkShape(step)
        try checkOrders(step, drivers[index].machine)
        if let said = step.reply { try checkReply(said, of: index) }
        send(step, of: index)
        if step.isLast {
            let driver = drivers.remove(at: index)
            try checkEnd(of: driver)
        }
    }

    private mutating func send(_ step: Step, of index: Int) {
        let machine = drivers[index].machine
        let evidence = machine.branches.map(\.evidence)
        let outcomes = machine.branches.map(\.outcome)
        func flight(_ order: Flight.Order) -> Flight {
            Flight(
                driver: drivers[index].life, order: order, evidence: evidence, outcomes: outcomes)
        }
        if let request = step.log { flights.append(flight(.log(request))) }
        for command in step.commands {
            if case .cancel = command { continue }
            flights.append(flight(.branch(command)))
        }
        for request in step.timers {
            drivers[index].timers.removeAll { $0 == request.timer }
            drivers[index].timers.append(request.timer)
        }
    }
}
