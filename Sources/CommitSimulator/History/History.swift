internal import CommitProtocol

/// One seeded history of everything that a world may legally do to coordinators, in virtual time.
///
/// The seed is the whole history: the same seed, the same run.
package struct History {
    /// What chooses, and what writes down; shared with the moves that it is lent to.
    final class Narrator {
        var random: SplitMix64
        /// When somebody asks for the status; dice of its own, so that the rest of a history does not
        /// depend on it.
        var curiosity: SplitMix64
        var lines: [String] = []

        init(_ random: SplitMix64, curiosity: SplitMix64) {
            self.random = random
            self.curiosity = curiosity
        }
    }

    let narrator: Narrator
    var state: Simulation
    var clock: Int64 = 0
    /// How often, in a hundred, an order or its answer goes wrong.
    let faultPercent: Int
    /// How often, in a hundred, something happens that nobody asked for.
    let disturbancePercent: Int
    /// When faults stop.
    let faultyTurns: Int
    var turns = 0
    /// When the last fault, or the last order of somebody who was gone, had its effect.
    var healed: Int64 = 0
    let isTranscribed: Bool
    /// What happened, line by line, where somebody wants to read it.
    package var transcript: [String] { narrator.lines }

    /// How long a lease lasts, and how often a pass looks, in milliseconds.
    static let lease: Int64 = 5_000
    static let pass: Int64 = 1_000
    /// AC5 in virtual time: the lease, two passes, and the longest pause between two attempts.
    static let healingTime = lease + 2 * pass + 10_000 + 2_000

    var isFaulty: Bool { turns < faultyTurns }

    package init(
        seed: UInt64, mistake: BrokenMachine? = nil, broken: BrokenWorld? = nil,
        isTranscribed: Bool = false
    ) {
        var random = SplitMix64(seed: seed)
        var setting = Setting(commitModes: Self.commitModes(&random))
        setting.order = random.percent(50) ? .overlapping : .first
        setting.repliesAtDecision = random.percent(25)
        setting.mistake = mistake
        setting.broken = broken
        setting.echoes = true
        state = Simulation(setting)
        faultPercent = [0, 5, 20, 45][random.below(4)]
        disturbancePercent = [0, 3, 10, 25][random.below(4)]
        faultyTurns = faultPercent + disturbancePercent == 0 ? 0 : 5 + random.below(50)
        self.isTranscribed = isTranscribed
        narrator = Narrator(random, curiosity: SplitMix64(seed: ~seed))
    }

    /// One to three branches, of every mixture that the core allows.
    private static func commitModes(_ random: inout SplitMix64) -> [CommitMode] {
        var commitModes = [CommitMode](repeating: .twoPhase, count: 1 + random.below(3))
        let shape = random.below(10)
        switch shape {
        case 4, 5: commitModes[random.below(commitModes.count)] = .readOnly
        case 6, 7:
            commitModes = commitModes.map { _ in .readOnly }
            commitModes[random.below(commitModes.count)] = .onePhase
        case 8: commitModes[random.below(commitModes.count)] = .journal
        case 9:
            commitModes[0] = .journal
            if commitModes.count > 2 { commitModes[2] = .readOnly }
        default: break
        }
        return commitModes
    }

    /// Runs to the end.
    package mutating func run() throws(Violation) {
        state.world.isKeyTaken = narrator.random.percent(faultPercent / 4)
        if state.world.isKeyTaken { state.hasFailed = true }
        note("branches \(state.setting.commitModes.map(\.rawValue)), work \(state.setting.order)")
        try state.begin(outside())
        while try turn() {
            turns += 1
            guard turns < faultyTurns + 400 else {
                throw Violation("AC5: not at rest 400 turns after the last fault")
            }
        }
        guard clock - healed <= Self.healingTime else {
            throw Violation("AC5: healed for \(clock - healed) ms, and not at rest before")
        }
        try state.checkAtRest()
    }

    func note(_ line: @autoclosure () -> String) {
        if isTranscribed { narrator.lines.append("\(clock) ms  \(line())") }
    }

    /// Latencies are short, and under faults sometimes longer than a deadline.
    private func outside() -> Outside {
        let slowPercent = isFaulty ? faultPercent / 3 : 0
        var outside = Outside(now: clock)
        outside.latency = { [narrator] in
            let isSlow = narrator.random.percent(slowPercent)
            return Int64(1 + narrator.random.below(isSlow ? 3_000 : 20))
        }
        outside.isNoted = isTranscribed
        if isTranscribed {
            outside.note = { [narrator, clock] in narrator.lines.append("\(clock) ms  \($0)") }
        }
        return outside
    }

    /// One thing happens; false when the world is at rest.
    private mutating func turn() throws(Violation) -> Bool {
        if turns == faultyTurns { try heal() }
        if let question = question() { try state.suffer(question, outside()) }
        if isFaulty {
            healed = clock
            if narrator.random.percent(disturbancePercent) {
                let disturbance = disturbance()
                try state.suffer(disturbance, outside())
                return true
            }
        }
        return try next()
    }

    /// The earliest of what is on its way.
    private mutating func next() throws(Violation) -> Bool {
        let flight = state.flights.min { $0.due < $1.due }
        var armed: (timer: Incarnation.Armed, incarnation: Int)?
        for incarnation in state.incarnations {
            for timer in incarnation.timers where timer.due < armed?.timer.due ?? .max {
                armed = (timer, incarnation.number)
            }
        }
        if let flight, flight.due <= armed?.timer.due ?? .max {
            try land(flight)
        } else if let armed {
            clock = max(clock, armed.timer.due)
            try state.fire(armed.timer, of: armed.incarnation, outside())
        } else {
            if let incarnation = state.incarnations.first {
                throw Violation("AC5: life \(incarnation.number) waits for nothing")
            }
            return try pass() || isFaulty
        }
        return true
    }

    private mutating func land(_ flight: Flight) throws(Violation) {
        clock = max(clock, flight.due)
        let setting = state.setting
        var fate = Fate.done
        if flight.incarnation == nil {
            if !narrator.random.percent(60) { fate = .lost }
            healed = clock
        } else if isFaulty, narrator.random.percent(faultPercent) {
            let fates = Fate.faulty(flight.order) { setting.commitModes[$0] }
            fate = fates[narrator.random.below(fates.count)]
        } else if case .branch(.work(let branch)) = flight.order,
            state.index(of: flight.sender).map({
                state.incarnations[$0].cancelled & 1 << branch != 0
            }) ?? false
        {
            let fates = Fate.faulty(flight.order) { setting.commitModes[$0] } + [.done]
            fate = fates[narrator.random.below(fates.count)]
        }
        try state.land(flight, fate, outside())
    }

    /// Nobody drives it: the next pass over rows and participants, once the lease has expired.
    private mutating func pass() throws(Violation) -> Bool {
        clock += isFaulty ? Self.lease : Self.pass
        if state.world.row != nil, clock - healed < Self.lease { clock = healed + Self.lease }
        if try state.takeOver(outside()) { return true }
        state.scan = state.listed()
        // An undecidable transaction's branches stay prepared for the operator.
        let isOperators = state.world.row?.isReported ?? false
        let goesOn = !isOperators && state.scan != []
        try state.actOnScan(outside())
        return goesOn
    }

    /// Faults stop: a session that nobody listens to runs now or never, and the dead ones close.
    private mutating func heal() throws(Violation) {
        note("* faults stop")
        healed = clock
        for branch in state.world.sites.indices {
            switch state.world.sites[branch].session {
            case .workReplyLost, .commitReplyLost:
                if narrator.random.percent(50) { try state.runWithLostReply(branch) }
                if state.index(of: 0) == nil { state.world.sites[branch].endSession() }
            case .holds where state.index(of: 0) == nil: state.world.sites[branch].endSession()
            case .none, .holds, .gone: break
            }
            if state.world.sites[branch].session == .workReplyLost
                || state.world.sites[branch].session == .commitReplyLost
            {
                state.world.sites[branch].endSession()
            }
        }
    }
}
