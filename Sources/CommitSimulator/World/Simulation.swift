internal import CommitProtocol

/// The whole state: the world, the incarnations and their messages.
///
/// It changes only by moves, each of which checks the invariants. A seeded history takes one of the
/// possible moves, the exhaustive search takes them all.
struct Simulation: Hashable, Sendable {
    var world: World
    var incarnations: [Incarnation] = []
    var messages: [Message] = []
    /// The first list of a scan that has not read the rows yet.
    var scan: [RecoveryPlan.Found]?
    var incarnationCount = 0
    /// Whether something happened that excuses an abort.
    var hasFailed = false
    /// The reply to the caller.
    var reply: Reply?
    /// What any replica has reported.
    var reported = Reported()
    /// The status request in progress.
    var observer: Observer?
    let setting: Setting

    init(_ setting: Setting) {
        self.setting = setting
        world = World(commitModes: setting.commitModes, broken: setting.broken)
    }

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

/// The parameters of a simulation.
struct Setting: Hashable, Sendable {
    var commitModes: [CommitMode]
    var timing: AcceptanceTiming = .overlapping
    var repliesAtDecision = false
    var mistake: BrokenMachine?
    var broken: BrokenWorld?
    /// The deadline, in milliseconds of the virtual clock.
    var deadline: Int64 = 1_000
    /// Whether votes may be received twice.
    var echoes = false
}

/// The time and the transcript for a move.
struct Context {
    var now: Int64 = 0
    /// How long a message takes to arrive.
    var latency: () -> Int64 = { 0 }
    var note: (String) -> Void = { _ in }
    var isNoted = false
}

/// Events go into the machines; their steps are checked and sent.
extension Simulation {
    mutating func begin(_ context: Context) throws(Violation) {
        incarnations.append(Incarnation(number: 0, machine: machine()))
        incarnationCount = 1
        try deliver(.begin(setting.timing), to: 0, context)
    }

    /// Delivers an event to an incarnation; an echo answers no message.
    mutating func deliver(
        _ event: Event, to incarnation: Int, isEcho: Bool = false, _ context: Context
    ) throws(Violation) {
        guard let index = index(of: incarnation) else { return }
        if context.isNoted { context.note("incarnation \(incarnation) receives \(event)") }
        if !isEcho { incarnations[index].noteAnswer(event) }
        var heard = event
        if let mistake = setting.mistake {
            guard let changed = mistake.altered(event, incarnations[index].machine) else { return }
            heard = changed
        }
        let before = incarnations[index].machine.state
        var step = incarnations[index].machine.handle(
            heard, at: context.now, deadline: setting.deadline)
        setting.mistake?.alter(&step, incarnations[index].machine)
        if context.isNoted, step != Step() {
            context.note("incarnation \(incarnation): \(step.prose)")
        }
        if context.now >= setting.deadline { hasFailed = true }
        try Incarnation.checkMove(from: before, to: incarnations[index].machine.state)
        try incarnations[index].checkShape(step)
        try checkOrdering(step, incarnations[index].machine)
        if let reply = step.reply { try checkReply(reply, of: index) }
        send(step, of: index, context)
        if step.isLast {
            let incarnation = incarnations.remove(at: index)
            try checkEnd(of: incarnation)
            if world.broken == .abortIsReportedBeforeRecord,
                incarnation.machine.phase == .finished(.abort)
            {
                try report(Reported(decision: .abort, isFinal: true), after: Reported())
            }
        }
    }

    private mutating func send(_ step: Step, of index: Int, _ context: Context) {
        let incarnation = incarnations[index].number
        let machine = incarnations[index].machine
        let evidence = machine.branches.map(\.evidence)
        let outcomes = machine.branches.map(\.outcome)
        let hasReadDecided = world.broken == .readThenAct && world.row?.decision != nil
        func message(_ content: Message.Content) -> Message {
            Message(
                incarnation: incarnation, sender: incarnation, content: content, evidence: evidence,
                outcomes: outcomes,
                decision: machine.decision, hasReadDecided: hasReadDecided,
                due: context.now + context.latency())
        }
        if let request = step.log { messages.append(message(.log(request))) }
        for command in step.commands {
            if case .cancel = command { continue }
            messages.append(message(.branch(command)))
        }
        for request in step.timers {
            incarnations[index].timers.removeAll { $0.timer == request.timer }
            let delay =
                request.delayMilliseconds ?? (request.timer == .deadline ? setting.deadline : 2_000)
            incarnations[index].timers.append(
                Incarnation.Armed(timer: request.timer, due: context.now + delay))
        }
    }

    mutating func fire(_ armed: Incarnation.Armed, of incarnation: Int, _ context: Context)
        throws(Violation)
    {
        guard let index = index(of: incarnation) else { return }
        incarnations[index].timers.removeAll { $0 == armed }
        if armed.timer == .deadline { hasFailed = true }
        try deliver(.due(armed.timer), to: incarnation, context)
    }
}
