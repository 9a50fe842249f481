internal import CommitProtocol

/// What anybody has been told, at any replica.
struct Told: Hashable, Sendable {
    var decision: Decision?
    /// Whether it was the final state.
    var isEnd = false
}

/// Somebody who asks a replica; its looks are taken one by one, and anything may happen between
/// them.
struct Observer: Hashable, Sendable {
    /// The next look.
    enum Look: Hashable {
        case row
        case confirmedRow
        case commitPoint
        /// The row of what has been decided so, which may have ended elsewhere by now.
        case endInRow(Decision)
        case confirmedEnd
        case branch(Int)
    }

    var inquiry = DecisionInquiry()
    var ends = FinishInquiry()
    var next: Look
    /// The replica's own life, if it drives the transaction and knows of no decision.
    let incarnation: Int?
    /// What anybody had been told when it began to look.
    let told: Told
    /// What came with the decision.
    var evidence: [PreparedEvidence?] = []
}

/// I5: what is told, at any replica, is durable, and no other takes it back.
extension Simulation {
    /// Somebody asks a replica; one that knows a decision looks for the end, and any other for both.
    mutating func ask(_ incarnation: Int?, _ outside: Outside) throws(Violation) {
        guard observer == nil else { return }
        guard let index = incarnation.flatMap({ self.index(of: $0) }),
            incarnations[index].machine.isAccepted
        else { return try beginToLook(nil, outside) }
        let machine = incarnations[index].machine
        if world.broken == .phaseIsTold {
            return try tell(Told(decision: machine.decision), after: told)
        }
        // While an answer is awaited nothing is told: `awaitsDecision` is what the engine waits for.
        if machine.awaitsDecision || machine.phase == .undecidable { return }
        switch machine.decision {
        case nil:
            // Others may have decided abort without it.
            try beginToLook(incarnation, outside)
        case .commit?:
            observer = Observer(
                next: .row, incarnation: nil, told: told, evidence: machine.branches.map(\.evidence)
            )
            try lookForEnd(.committing, machine.branches.map(\.outcome), outside)
        case .abort?:
            observer = Observer(next: .endInRow(.abort), incarnation: nil, told: told)
        }
    }

    /// The first look, at the row.
    private mutating func beginToLook(
        _ incarnation: Int?, _ outside: Outside
    ) throws(Violation) {
        guard let row = world.row else { return }
        let beginning = Observer(next: .row, incarnation: incarnation, told: told)
        observer = beginning
        try go(on: beginning.inquiry.read(reading(of: row), isConfirmed: false), outside)
    }

    /// The next look.
    mutating func lookOn(_ outside: Outside) throws(Violation) {
        guard var looking = observer else { return }
        switch looking.next {
        case .confirmedRow:
            if world.broken != .readIsTold { try world.replicate() }
            guard let row = world.row else { return observer = nil }
            try go(on: looking.inquiry.read(reading(of: row), isConfirmed: true), outside)
        case .row:
            guard let row = world.row else { return observer = nil }
            try go(on: looking.inquiry.read(reading(of: row), isConfirmed: false), outside)
        case .commitPoint:
            let next = looking.inquiry.read(world.look())
            observer?.inquiry = looking.inquiry
            if let commitPoint = world.commitPoint, world.sites[commitPoint].journal == .commit {
                observer?.evidence = world.sites[commitPoint].journalEvidence
            }
            try go(on: next, outside)
        case .endInRow(let decision):
            try lookForEnd(inRowOf: decision, isRecorded: false, outside)
        case .confirmedEnd:
            if world.broken != .endReadIsTold { try world.replicate() }
            try lookForEnd(inRowOf: .abort, isRecorded: true, outside)
        case .branch(let branch):
            let reading = world.lookAtEnd(of: branch, looking.evidence)
            let next = looking.ends.read(reading)
            observer?.ends = looking.ends
            try goOn(next, outside)
        }
    }

    /// The row tells the end, or nothing does.
    private mutating func lookForEnd(
        inRowOf decision: Decision, isRecorded: Bool, _ outside: Outside
    ) throws(Violation) {
        guard var looking = observer, let row = world.row, !row.isReported else {
            return observer = nil
        }
        let state = row.endState ?? (decision == .commit ? .committing : .aborting)
        let next = looking.ends.read(state, [], isRecorded: isRecorded)
        // Of a commit that is not recorded nothing more is to be seen.
        try goOn(state == .committing ? .report(state) : next, outside)
    }

    private mutating func go(
        on next: DecisionInquiry.Next, _ outside: Outside
    ) throws(Violation) {
        guard let looking = observer else { return }
        if outside.isNoted { outside.note("  somebody looks: \(next)") }
        switch next {
        case .report(let decision) where looking.next == .commitPoint:
            // The row was undecided when it was read.
            let none = [Outcome?](repeating: nil, count: setting.commitModes.count)
            try lookForEnd(decision == .commit ? .committing : .aborting, none, outside)
        case .report(let decision): try lookForEnd(of: decision, outside)
        case .unknown: observer = nil
        case .readCommitPoint where world.broken == .rowReadAlone,
            .readRow where world.broken == .lookedOnce:
            observer = nil
            try tell(Told(), after: looking.told)
        case .confirmRow: observer?.next = .confirmedRow
        case .readCommitPoint: observer?.next = .commitPoint
        case .readRow: observer?.next = .row
        }
    }

    /// The decision in the row may be told; the end is looked for.
    private mutating func lookForEnd(
        of decision: Decision?, _ outside: Outside
    ) throws(Violation) {
        // A row that an operator was called for is no end that anybody else could tell.
        guard let row = world.row, !row.isReported else { return observer = nil }
        let state: TransactionState =
            switch decision {
            case nil: .preparing
            case .abort?: row.endState ?? .aborting
            case .commit?: row.endState ?? .committing
            }
        observer?.evidence = row.evidence
        try lookForEnd(state, row.outcomes, outside)
    }

    private mutating func lookForEnd(
        _ state: TransactionState, _ outcomes: [Outcome?], _ outside: Outside
    ) throws(Violation) {
        guard var looking = observer else { return }
        let branches = setting.commitModes.indices.map {
            FinishInquiry.Branch(commitMode: setting.commitModes[$0], outcome: outcomes[$0])
        }
        let next = looking.ends.read(state, branches, isRecorded: false)
        observer?.ends = looking.ends
        try goOn(next, outside)
    }

    private mutating func goOn(
        _ next: FinishInquiry.Next, _ outside: Outside
    ) throws(Violation) {
        guard let looking = observer else { return }
        if outside.isNoted { outside.note("  somebody looks for the end: \(next)") }
        switch next {
        case .readBranch where world.broken == .endIsNotSought:
            observer = nil
            try tell(Told(decision: .commit), after: looking.told)
        case .readBranch(let branch): observer?.next = .branch(branch)
        case .awaitRecord: observer?.next = .endInRow(.commit)
        case .confirmRow: observer?.next = .confirmedEnd
        case .report(let state):
            observer = nil
            guard state != .needsOperator else { return }
            let decision: Decision? =
                switch state {
                case .committed, .committing: .commit
                case .aborted, .aborting: .abort
                case .active, .preparing, .needsOperator: nil
                }
            let isEnd = state == .committed || state == .aborted
            try tell(Told(decision: decision, isEnd: isEnd), after: looking.told)
        }
    }

    private func reading(of row: Row) -> DecisionInquiry.Row {
        DecisionInquiry.Row(
            decision: row.decision, isSettled: row.isFinished || row.isReported,
            namesCommitPoint: row.owner != observer?.incarnation
                && (world.hasJournal || row.isDelegated))
    }

    /// `earlier`: what had been told when the looks began.
    mutating func tell(_ said: Told, after earlier: Told) throws(Violation) {
        let before = told
        told.decision = told.decision ?? said.decision
        told.isEnd = told.isEnd || said.isEnd
        // What was lost with a backup or ended by hand can be told in no consistent way.
        if world.isMeddledWith { return }
        if let decision = earlier.decision, said.decision == nil {
            throw Violation("I5: undecided is told after \(decision)")
        }
        if earlier.isEnd, !said.isEnd {
            throw Violation("I5: the end was told, and now it is under way")
        }
        if let decision = said.decision, let first = before.decision, first != decision {
            throw Violation("I5: \(decision) is told after \(first)")
        }
        let isKnown =
            switch said.decision {
            case nil: true
            case .commit: world.isCommitDurable
            case .abort: world.isAbortDurable || isRolledBackCommitPoint
            }
        guard isKnown else { throw Violation("I5: a decision is told that is not durable") }
        guard !said.isEnd || world.hasEnded(said.decision) else {
            throw Violation("I5: an end is told that has not come")
        }
    }
}
