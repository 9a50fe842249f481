internal import CommitProtocol

/// One random history in virtual time; the same seed gives the same history.
package struct History {
    /// The random numbers and the transcript, which the moves share.
    final class Recorder {
        var random: SplitMix64
        /// Chooses the status requests; separate, so that the rest of a history does not depend on them.
        var statusRandom: SplitMix64
        var lines: [String] = []

        init(_ random: SplitMix64, statusRandom: SplitMix64) {
            self.random = random
            self.statusRandom = statusRandom
        }
    }

    let recorder: Recorder
    var state: Simulation
    var clock: Int64 = 0
    /// The percentage of messages that fail.
    let faultPercent: Int
    /// The percentage of turns with a disturbance.
    let disturbancePercent: Int
    /// The number of turns with faults.
    let faultyTurns: Int
    var turns = 0
    /// The time of the last effect of a fault, or of a message whose sender was gone.
    var healed: Int64 = 0
    let isTranscribed: Bool
    /// The transcript, if requested.
    package var transcript: [String] { recorder.lines }

    /// The lease and the interval of recovery passes, in milliseconds.
    static let lease: Int64 = 5_000
    static let pass: Int64 = 1_000
    /// The time limit for AC5: the lease, two passes, and the longest delay between attempts.
    static let healingTime = lease + 2 * pass + 10_000 + 2_000

    var isFaulty: Bool { turns < faultyTurns }

    package init(
        seed: UInt64, mistake: BrokenMachine? = nil, broken: BrokenWorld? = nil,
        isTranscribed: Bool = false
    ) {
        var random = SplitMix64(seed: seed)
        var setting = Setting(commitModes: Self.commitModes(&random))
        setting.timing = random.percent(50) ? .overlapping : .first
        setting.repliesAtDecision = random.percent(25)
        setting.mistake = mistake
        setting.broken = broken
        setting.echoes = true
        state = Simulation(setting)
        faultPercent = [0, 5, 20, 45][random.below(4)]
        disturbancePercent = [0, 3, 10, 25][random.below(4)]
        faultyTurns = faultPercent + disturbancePercent == 0 ? 0 : 5 + random.below(50)
        self.isTranscribed = isTranscribed
        recorder = Recorder(random, statusRandom: SplitMix64(seed: ~seed))
    }

    /// Chooses one to three branches of a mixture that the machine allows.
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
        state.world.isKeyTaken = recorder.random.percent(faultPercent / 4)
        if state.world.isKeyTaken { state.hasFailed = true }
        note("branches \(state.setting.commitModes.map(\.rawValue)), work \(state.setting.timing)")
        try state.begin(context())
        while try turn() {
            turns += 1
            guard turns < faultyTurns + 400 else {
                throw Violation("AC5: not at rest 400 turns after the last fault")
            }
        }
        guard clock - healed <= Self.healingTime else {
            throw Violation("AC5: not at rest \(clock - healed) ms after the last fault")
        }
        try state.checkAtRest()
    }

    func note(_ line: @autoclosure () -> String) {
        if isTranscribed { recorder.lines.append("\(clock) ms  \(line())") }
    }

    /// Latencies are short; with faults, some exceed the deadline.
    private func context() -> Context {
        let slowPercent = isFaulty ? faultPercent / 3 : 0
        var context = Context(now: clock)
        context.latency = { [recorder] in
            let isSlow = recorder.random.percent(slowPercent)
            return Int64(1 + recorder.random.below(isSlow ? 3_000 : 20))
        }
        context.isNoted = isTranscribed
        if isTranscribed {
            context.note = { [recorder, clock] in recorder.lines.append("\(clock) ms  \($0)") }
        }
        return context
    }

    /// Takes one turn; false at rest.
    private mutating func turn() throws(Violation) -> Bool {
        if turns == faultyTurns { try heal() }
        if let question = question() { try state.apply(question, context()) }
        if isFaulty {
            healed = clock
            if recorder.random.percent(disturbancePercent) {
                let disturbance = disturbance()
                try state.apply(disturbance, context())
                return true
            }
        }
        return try next()
    }

    /// Processes the earliest message or timer.
    private mutating func next() throws(Violation) -> Bool {
        let message = state.messages.min { $0.due < $1.due }
        var armed: (timer: Incarnation.Armed, incarnation: Int)?
        for incarnation in state.incarnations {
            for timer in incarnation.timers where timer.due < armed?.timer.due ?? .max {
                armed = (timer, incarnation.number)
            }
        }
        if let message, message.due <= armed?.timer.due ?? .max {
            try process(message)
        } else if let armed {
            clock = max(clock, armed.timer.due)
            try state.fire(armed.timer, of: armed.incarnation, context())
        } else {
            if let incarnation = state.incarnations.first {
                throw Violation("AC5: incarnation \(incarnation.number) waits for nothing")
            }
            return try pass() || isFaulty
        }
        return true
    }

    private mutating func process(_ message: Message) throws(Violation) {
        clock = max(clock, message.due)
        let setting = state.setting
        var fate = Fate.done
        if message.incarnation == nil {
            if !recorder.random.percent(60) { fate = .lost }
            healed = clock
        } else if isFaulty, recorder.random.percent(faultPercent) {
            let fates = Fate.faulty(message.content) { setting.commitModes[$0] }
            fate = fates[recorder.random.below(fates.count)]
        } else if case .branch(.work(let branch)) = message.content,
            state.index(of: message.sender).map({
                state.incarnations[$0].cancelled & 1 << branch != 0
            }) ?? false
        {
            let fates = Fate.faulty(message.content) { setting.commitModes[$0] } + [.done]
            fate = fates[recorder.random.below(fates.count)]
        }
        try state.process(message, fate: fate, context())
    }

    /// Without an owner: the next pass over rows and participants, once the lease has expired.
    private mutating func pass() throws(Violation) -> Bool {
        clock += isFaulty ? Self.lease : Self.pass
        if state.world.row != nil, clock - healed < Self.lease { clock = healed + Self.lease }
        if try state.takeOver(context()) { return true }
        state.scan = state.listed()
        // An undecidable transaction's branches stay prepared for the operator.
        let isOperators = state.world.row?.isReported ?? false
        let goesOn = !isOperators && state.scan != []
        try state.actOnScan(context())
        return goesOn
    }

    /// Ends all faults: sessions without a client run now or never, and dead ones close.
    private mutating func heal() throws(Violation) {
        note("* faults stop")
        healed = clock
        for branch in state.world.sites.indices {
            switch state.world.sites[branch].session {
            case .workReplyLost, .commitReplyLost:
                if recorder.random.percent(50) { try state.runWithLostReply(branch) }
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
