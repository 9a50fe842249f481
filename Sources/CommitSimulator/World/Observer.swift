internal import CommitProtocol

/// Somebody who asks a replica that does not drive the transaction; its looks are taken one by one,
/// and anything may happen between them.
struct Observer: Hashable, Sendable {
    var inquiry = DecisionInquiry()
    var next: DecisionInquiry.Next
    /// The replica's own life, if it drives the transaction and knows of no decision.
    let life: Int?
    /// What anybody had been told when it began to look.
    let told: Decision?
}

/// I5: what is told of the decision, at any replica, is durable, and no other takes it back.
extension Simulation {
    /// Somebody asks a replica; one that knows a decision tells it, and any other looks.
    mutating func ask(_ life: Int?, _ outside: Outside) throws(Violation) {
        guard let index = life.flatMap({ self.index(of: $0) }),
            lives[index].machine.isAccepted
        else { return try beginToLook(nil, outside) }
        let machine = lives[index].machine
        if world.broken == .phaseIsTold { return try tell(machine.decision, after: told) }
        // While an answer is awaited nothing is told: `awaitsDecision` is what the engine waits for.
        if machine.awaitsDecision || machine.phase == .undecidable { return }
        // Others may have decided abort without it.
        guard machine.decision != nil else { return try beginToLook(life, outside) }
        if outside.isNoted { outside.note("  life \(machine.state) tells it") }
        try tell(machine.decision, after: told)
    }

    /// The first look, at the row.
    private mutating func beginToLook(
        _ life: Int?, _ outside: Outside
    ) throws(Violation) {
        guard observer == nil, let row = world.row else { return }
        let beginning = Observer(next: .readRow, life: life, told: told)
        observer = beginning
        try go(on: beginning.inquiry.read(sight(of: row), isConfirmed: false), outside)
    }

    /// The next look.
    mutating func lookOn(_ outside: Outside) throws(Violation) {
        guard var looking = observer else { return }
        switch looking.next {
        case .confirmRow:
            if world.broken != .readIsTold { try world.replicate() }
            guard let row = world.row else { return observer = nil }
            try go(on: looking.inquiry.read(sight(of: row), isConfirmed: true), outside)
        case .readRow:
            guard let row = world.row else { return observer = nil }
            try go(on: looking.inquiry.read(sight(of: row), isConfirmed: false), outside)
        case .lookAtRegister:
            let next = looking.inquiry.saw(world.look())
            observer?.inquiry = looking.inquiry
            try go(on: next, outside)
        case .tell, .unknown: observer = nil
        }
    }

    private mutating func go(
        on next: DecisionInquiry.Next, _ outside: Outside
    ) throws(Violation) {
        guard let looking = observer else { return }
        if outside.isNoted { outside.note("  somebody looks: \(next)") }
        switch next {
        case .tell(let decision):
            observer = nil
            try tell(decision, after: looking.told)
        case .unknown: observer = nil
        case .lookAtRegister where world.broken == .rowReadAlone:
            observer = nil
            try tell(nil, after: looking.told)
        case .readRow where world.broken == .lookedOnce:
            observer = nil
            try tell(nil, after: looking.told)
        case .confirmRow, .lookAtRegister, .readRow: observer?.next = next
        }
    }

    private func sight(of row: Row) -> DecisionInquiry.Row {
        DecisionInquiry.Row(
            decision: row.decision, isSettled: row.isFinished || row.isReported,
            namesRegister: row.owner != observer?.life && (world.hasJournal || row.isDelegated))
    }

    /// `earlier`: what had been told when the looks began.
    mutating func tell(_ decision: Decision?, after earlier: Decision?) throws(Violation) {
        defer { told = told ?? decision }
        // What was lost with a backup or ended by hand can be told in no consistent way.
        if world.isMeddledWith { return }
        if earlier != nil, decision == nil {
            throw Violation("I5: undecided is told after \(earlier.map { "\($0)" } ?? "")")
        }
        if let decision, let told, told != decision {
            throw Violation("I5: \(decision) is told after \(told)")
        }
        let isKnown =
            switch decision {
            case nil: true
            case .commit: world.isCommitDurable
            case .abort: world.isAbortDurable || isRolledBackRegister
            }
        guard isKnown else { throw Violation("I5: a decision is told that is not durable") }
    }
}
