internal import CommitProtocol

/// A world, the lives in it, and what is on its way: one state of the whole.
///
/// It changes by moves alone, each of which checks the invariants. Who chooses the moves is outside:
/// a seeded history takes one of them, the exhaustive search takes all.
struct Simulation: Hashable, Sendable {
    var world: World
    var incarnations: [Incarnation] = []
    var flights: [Flight] = []
    /// The first list of a scan that has not looked at the rows yet.
    var scan: [RecoveryPlan.Found]?
    var incarnationCount = 0
    /// Whether anything happened that excuses an abort.
    var hasFailed = false
    /// What the caller was told.
    var reply: Reply?
    /// What anybody was told, at any replica.
    var told = Told()
    /// Somebody who is looking.
    var observer: Observer?
    let setting: Setting

    init(_ setting: Setting) {
        self.setting = setting
        world = World(commitModes: setting.commitModes, broken: setting.broken)
    }

    /// The gids that this installation would write.
    static let installation = "5b0c3b1e-0000-4000-8000-000000000001"
    static let transaction = GlobalTransactionID(number: 7, salt: 0xfeed)

    func evidence(_ branch: Int) -> PreparedEvidence {
        PreparedEvidence(
            transactionID: UInt64(1_000 + branch), owner: "tandem", systemIdentifier: "7000",
            timeline: 1, location: "0/16B3748")
    }

    func machine() -> TransactionMachine {
        TransactionMachine(
            transaction: Self.transaction, commitModes: setting.commitModes,
            repliesAtDecision: setting.repliesAtDecision)
    }

    func index(of incarnation: Int) -> Int? { incarnations.firstIndex { $0.number == incarnation } }
}

/// What a run is about.
struct Setting: Hashable, Sendable {
    var commitModes: [CommitMode]
    var order: AcceptanceTiming = .overlapping
    var repliesAtDecision = false
    var mistake: BrokenMachine?
    var broken: BrokenWorld?
    /// The deadline, in milliseconds of the virtual clock.
    var deadline: Int64 = 1_000
    /// Whether answers that were heard may be heard again.
    var echoes = false
}

/// What a move is given beside the state: time, and somebody who listens.
struct Outside {
    var now: Int64 = 0
    /// How long an order takes to arrive.
    var latency: () -> Int64 = { 0 }
    var note: (String) -> Void = { _ in }
    var isNoted = false
}

/// Events go in, steps come out, are checked, and are sent.
extension Simulation {
    mutating func begin(_ outside: Outside) throws(Violation) {
        incarnations.append(Incarnation(number: 0, machine: machine()))
        incarnationCount = 1
        try deliver(.begin(setting.order), to: 0, outside)
    }

    /// A life takes an event.
    ///
    /// An echo answers no order.
    mutating func deliver(
        _ event: Event, to incarnation: Int, isEcho: Bool = false, _ outside: Outside
    ) throws(Violation) {
        guard let index = index(of: incarnation) else { return }
        if outside.isNoted { outside.note("life \(incarnation) hears \(event)") }
        if !isEcho { incarnations[index].hear(event) }
        var heard = event
        if let mistake = setting.mistake {
            guard let changed = mistake.hears(event, incarnations[index].machine) else { return }
            heard = changed
        }
        let before = incarnations[index].machine.state
        var step = incarnations[index].machine.handle(
            heard, at: outside.now, deadline: setting.deadline)
        setting.mistake?.says(&step, incarnations[index].machine)
        if outside.isNoted, step != Step() {
            outside.note("life \(incarnation) says \(step.prose)")
        }
        if outside.now >= setting.deadline { hasFailed = true }
        try Incarnation.checkMove(from: before, to: incarnations[index].machine.state)
        try incarnations[index].checkShape(step)
        try checkOrdering(step, incarnations[index].machine)
        if let said = step.reply { try checkReply(said, of: index) }
        send(step, of: index, outside)
        if step.isLast {
            let incarnation = incarnations.remove(at: index)
            try checkEnd(of: incarnation)
            if world.broken == .abortEndIsTold, incarnation.machine.phase == .ended(.abort) {
                try tell(Told(decision: .abort, isEnd: true), after: Told())
            }
        }
    }

    private mutating func send(_ step: Step, of index: Int, _ outside: Outside) {
        let incarnation = incarnations[index].number
        let machine = incarnations[index].machine
        let evidence = machine.branches.map(\.evidence)
        let outcomes = machine.branches.map(\.outcome)
        let hasReadDecided = world.broken == .readThenAct && world.row?.decision != nil
        func flight(_ order: Flight.Order) -> Flight {
            Flight(
                incarnation: incarnation, sender: incarnation, order: order, evidence: evidence,
                outcomes: outcomes,
                decision: machine.decision, hasReadDecided: hasReadDecided,
                due: outside.now + outside.latency())
        }
        if let request = step.log { flights.append(flight(.log(request))) }
        for command in step.commands {
            if case .cancel = command { continue }
            flights.append(flight(.branch(command)))
        }
        for request in step.timers {
            incarnations[index].timers.removeAll { $0.timer == request.timer }
            let delay =
                request.delayMilliseconds ?? (request.timer == .deadline ? setting.deadline : 2_000)
            incarnations[index].timers.append(
                Incarnation.Armed(timer: request.timer, due: outside.now + delay))
        }
    }

    mutating func fire(_ armed: Incarnation.Armed, of incarnation: Int, _ outside: Outside)
        throws(Violation)
    {
        guard let index = index(of: incarnation) else { return }
        incarnations[index].timers.removeAll { $0 == armed }
        if armed.timer == .deadline { hasFailed = true }
        try deliver(.due(armed.timer), to: incarnation, outside)
    }
}
