/// A world of participants with row locks, replicas that run transactions on them, and readings.
///
/// It complements the histories of the commit protocol: here no message that commits is lost and no
/// process dies, but transactions contend. Cancels, readings and published readings may be lost.
struct LockWorld {
    enum Event {
        case arrives(Int)
        case workArrives(LockSession)
        case statementEnds(LockSession, wait: Int)
        case voteArrives(LockSession, AbortReason?)
        case decisionWritten(actor: Int, AbortReason?)
        case finishArrives(LockSession)
        case deadlinePasses(request: Int)
        case serverLooksForDeadlock(LockSession, wait: Int)
        case replicaReads(Int)
        case siteIsRead(replica: Int, site: Int, reading: Int)
        case answerArrives(replica: Int, reading: Int, [ReadWait])
        case tableIsRead(replica: Int, reading: Int)
        case published(replica: Int, Publication)
        case cancelArrives(LockSession, Proof?)
        case woundArrives(actor: Int, Proof?)
    }

    let setting: LockSetting
    var random: SplitMix64
    var now: Int64 = 0
    var events = EventQueue<Event>()
    var actors: [LockActor] = []
    var requests: [LockRequest] = []
    var sites: [LockTable]
    var readers: [LockReader]
    /// The table of the state database: each replica's latest published reading.
    var table: [Publication]
    var rules = LockRules()
    var figures = LockFigures()
    var waitCount = 0
    /// What each replica remembers of deadlocks; see `LockSetting.ordersAfterDeadlock`.
    var memories: [DeadlockMemory]
    /// Makes the next request of a client, if it asks again.
    var nextRequest: (inout LockWorld, _ client: Int) -> Void = { _, _ in }
    /// The transcript; nil if none is asked for.
    var lines: [String]?

    init(_ setting: LockSetting, random: SplitMix64) {
        self.setting = setting
        self.random = random
        sites = Array(repeating: LockTable(), count: setting.siteCount)
        readers = Array(repeating: LockReader(), count: setting.replicaCount)
        table = Array(repeating: Publication(), count: setting.replicaCount)
        memories = Array(repeating: DeadlockMemory(), count: setting.replicaCount)
        for replica in 0..<setting.replicaCount {
            events.add(.replicaReads(replica), at: Int64(replica) * setting.interval / 3)
        }
    }

    /// A length of time of a range.
    mutating func any(of range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(random.below(Int(range.upperBound - range.lowerBound) + 1))
    }

    mutating func note(_ line: (LockWorld) -> String) {
        guard lines != nil else { return }
        let line = line(self)
        lines?.append("\(Double(now) / 1_000) ms  \(line)")
    }

    mutating func send(_ event: Event) {
        events.add(event, at: now + any(of: setting.delay))
    }

    // MARK: Requests and other programs

    mutating func add(_ request: LockRequest) {
        requests.append(request)
        let number = requests.count - 1
        events.add(.deadlinePasses(request: number), at: request.deadline)
        addRun(of: number, at: request.began)
    }

    /// Adds a session of another program, which ends by itself.
    mutating func addStranger(_ plan: BranchPlan, at time: Int64) {
        actors.append(
            LockActor(
                request: nil, replica: -1, age: -1, isInOrder: true,
                branches: [LockActor.Branch(plan: plan)]))
        events.add(.arrives(actors.count - 1), at: time)
    }

    private mutating func addRun(of number: Int, at time: Int64) {
        let run = actors.count
        requests[number].attempts += 1
        requests[number].run = run
        let isFirst = requests[number].attempts == 1
        if isFirst { requests[number].age = run }
        let request = requests[number]
        // What ran before works in the order of the participants, and so does all that comes to a
        // replica soon after one of its own transactions was in a deadlock.
        let isOrdered =
            !isFirst
            || (setting.ordersAfterDeadlock && memories[request.replica].holds(at: time))
        let plans = isOrdered ? request.plans.sorted { $0.site < $1.site } : request.plans
        actors.append(
            LockActor(
                request: number, replica: request.replica, age: request.age,
                isInOrder: request.isInOrder || isOrdered,
                branches: plans.map { LockActor.Branch(plan: $0) }))
        events.add(.arrives(run), at: time)
    }

    // MARK: Running

    /// Runs until a time, or until a condition holds, which is checked now and then.
    mutating func run(
        until end: Int64, or isOver: (LockWorld) -> Bool = { _ in false }
    ) throws(Violation) {
        while let (time, event) = events.next(), time <= end {
            now = max(now, time)
            try handle(event)
            try checkDeadlocks()
            if case .replicaReads = event, isOver(self) { return }
        }
    }

    /// Whether every request is answered and every session is at its end.
    var isAtRest: Bool {
        requests.allSatisfy { $0.answer != nil }
            && actors.allSatisfy { $0.branches.allSatisfy { $0.phase == .over } }
    }

    private mutating func handle(_ event: Event) throws(Violation) {
        switch event {
        case .arrives(let actor): start(actor)
        case .workArrives(let session): beginWork(of: session)
        case .statementEnds(let session, let wait): statementEnds(of: session, wait: wait)
        case .voteArrives(let session, let reason): voteArrives(from: session, reason)
        case .decisionWritten(let actor, let reason): try decisionWritten(of: actor, reason)
        case .finishArrives(let session): finish(session)
        case .deadlinePasses(let request):
            guard requests[request].answer == nil else { return }
            abort(requests[request].run, because: .deadline)
        case .serverLooksForDeadlock(let session, let wait):
            lookForDeadlock(of: session, wait: wait)
        case .replicaReads(let replica): beginReading(replica)
        case .siteIsRead(let replica, let site, let reading):
            let waits = waits(atSite: site, seenBy: replica)
            let isLost = isLost()
            // A lost answer counts as empty once the replica no longer waits for it.
            events.add(
                .answerArrives(replica: replica, reading: reading, isLost ? [] : waits),
                at: now + (isLost ? setting.delay.upperBound : any(of: setting.delay)))
        case .answerArrives(let replica, let reading, let waits):
            readers[replica].current.own.waits += waits
            try answered(replica, reading)
        case .tableIsRead(let replica, let reading):
            readers[replica].current.published = table.enumerated()
                .filter { $0.offset != replica }.map(\.element)
            try answered(replica, reading)
        case .published(let replica, let publication):
            if publication.begun > table[replica].begun { table[replica] = publication }
        case .cancelArrives(let session, let proof): try cancel(session, proof)
        case .woundArrives(let actor, let proof): try wound(actor, proof)
        }
    }

    mutating func isLost() -> Bool {
        now < setting.healed && random.percent(setting.lossPercent)
    }

    // MARK: A run, step by step

    private mutating func start(_ actor: Int) {
        note { "\($0.name(actor)) begins\($0.actors[actor].isInOrder ? ", in order" : "")" }
        for branch in actors[actor].branches.indices.prefix(actors[actor].isInOrder ? 1 : .max) {
            send(.workArrives(LockSession(actor: actor, branch: branch)))
        }
    }

    private mutating func voteArrives(from session: LockSession, _ reason: AbortReason?) {
        if let reason { return abort(session.actor, because: reason) }
        actors[session.actor].voteCount += 1
        let actor = actors[session.actor]
        guard actor.state == .active else { return }
        if actor.voteCount == actor.branches.count {
            note { "\($0.name(session.actor)) is to commit" }
            actors[session.actor].state = .deciding
            let written = now + any(of: setting.logDelay)
            events.add(.decisionWritten(actor: session.actor, nil), at: written)
        } else if actor.isInOrder {
            send(.workArrives(LockSession(actor: session.actor, branch: session.branch + 1)))
        }
    }

    /// Aborts a run that is undecided; one write holds the abort and the acceptance of the next run.
    mutating func abort(_ actor: Int, because reason: AbortReason) {
        guard actors[actor].state == .active else { return }
        note { "\($0.name(actor)) is to abort: \(reason)" }
        actors[actor].state = .deciding
        events.add(.decisionWritten(actor: actor, reason), at: now + any(of: setting.logDelay))
    }

    mutating func decisionWritten(of actor: Int, _ reason: AbortReason?) throws(Violation) {
        guard let number = actors[actor].request else { return }
        if reason != nil, actors[actor].state == .committed {
            throw Violation("\(name(actor)) is aborted after its commit")
        }
        actors[actor].state = reason == nil ? .committed : .aborted
        note { "\($0.name(actor)) is \(reason == nil ? "committed" : "aborted")" }
        for branch in actors[actor].branches.indices {
            send(.finishArrives(LockSession(actor: actor, branch: branch)))
        }
        guard requests[number].run == actor, requests[number].answer == nil else {
            throw Violation("request \(number) has two outcomes")
        }
        let request = requests[number]
        if let reason {
            if reason.isTransient { memories[request.replica].note(at: now) }
            let mayRunAgain =
                reason.isTransient && request.attempts <= setting.retries
                && now < request.deadline && setting.mistake != .doesNotRunAgain
            if mayRunAgain { return addRun(of: number, at: now) }
            requests[number].answer = .failed(at: now, reason)
        } else {
            requests[number].answer = .committed
        }
        figures.answered(request, committed: reason == nil, at: now)
        if let client = request.client { nextRequest(&self, client) }
    }

    /// A name for transcripts.
    func name(_ actor: Int) -> String {
        guard let request = actors[actor].request else { return "program \(actor)" }
        return "T\(actor)"
            + (actors[actor].age == actor ? "" : " (request of T\(requests[request].age))")
    }
}
