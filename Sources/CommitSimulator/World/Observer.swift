internal import CommitProtocol

/// The most that any replica has reported to any caller.
struct Reported: Hashable, Sendable {
    var decision: Decision?
    /// Whether it was a final state.
    var isFinal = false
}

/// A caller that asks a replica for the status, in single reads; anything may happen between them.
struct Observer: Hashable, Sendable {
    enum Read: Hashable {
        case row
        case confirmedRow
        case commitPoint
        /// The row of a decided transaction, which another replica may have finished.
        case rowForFinish(Decision)
        case confirmedRowForFinish
        case branch(Int)
    }

    var inquiry = DecisionInquiry()
    var ends = FinishInquiry()
    var next: Read
    /// The incarnation that is asked, if it owns the transaction and knows no decision.
    let incarnation: Int?
    /// What had been reported when the reads began.
    let reported: Reported
    /// The evidence that came with the decision.
    var evidence: [PreparedEvidence?] = []
}

/// I5: every reported decision is durable, and no replica contradicts it.
extension Simulation {
    /// Starts a status request; a replica without a decision reads that first, then the branches.
    mutating func readStatus(_ incarnation: Int?, _ context: Context) throws(Violation) {
        guard observer == nil else { return }
        guard let index = incarnation.flatMap({ self.index(of: $0) }),
            incarnations[index].machine.isAccepted
        else { return try startReading(nil, context) }
        let machine = incarnations[index].machine
        if world.broken == .phaseIsReported {
            return try report(Reported(decision: machine.decision), after: reported)
        }
        // The engine waits while `awaitsDecision`, and reports nothing.
        if machine.awaitsDecision || machine.phase == .undecidable { return }
        switch machine.decision {
        case nil:
            // Another replica may have recorded an abort.
            try startReading(incarnation, context)
        case .commit?:
            observer = Observer(
                next: .row, incarnation: nil, reported: reported,
                evidence: machine.branches.map(\.evidence)
            )
            try readFinish(
                of: .committing, outcomes: machine.branches.map(\.outcome), context)
        case .abort?:
            observer = Observer(next: .rowForFinish(.abort), incarnation: nil, reported: reported)
        }
    }

    private mutating func startReading(
        _ incarnation: Int?, _ context: Context
    ) throws(Violation) {
        guard let row = world.row else { return }
        let beginning = Observer(next: .row, incarnation: incarnation, reported: reported)
        observer = beginning
        try go(on: beginning.inquiry.read(reading(of: row), isConfirmed: false), context)
    }

    /// Takes the next read.
    mutating func continueReading(_ context: Context) throws(Violation) {
        guard var reader = observer else { return }
        switch reader.next {
        case .confirmedRow:
            if world.broken != .unconfirmedDecisionIsReported { try world.replicate() }
            guard let row = world.row else { return observer = nil }
            try go(on: reader.inquiry.read(reading(of: row), isConfirmed: true), context)
        case .row:
            guard let row = world.row else { return observer = nil }
            try go(on: reader.inquiry.read(reading(of: row), isConfirmed: false), context)
        case .commitPoint:
            let next = reader.inquiry.read(world.readCommitPoint())
            observer?.inquiry = reader.inquiry
            if let commitPoint = world.commitPoint, world.sites[commitPoint].journal == .commit {
                observer?.evidence = world.sites[commitPoint].journalEvidence
            }
            try go(on: next, context)
        case .rowForFinish(let decision):
            try readFinish(inRowOf: decision, isRecorded: false, context)
        case .confirmedRowForFinish:
            if world.broken != .unconfirmedFinishIsReported { try world.replicate() }
            try readFinish(inRowOf: .abort, isRecorded: true, context)
        case .branch(let branch):
            let reading = world.readBranch(of: branch, reader.evidence)
            let next = reader.ends.read(reading)
            observer?.ends = reader.ends
            try proceed(with: next, context)
        }
    }

    /// Reads the outcome from the row.
    private mutating func readFinish(
        inRowOf decision: Decision, isRecorded: Bool, _ context: Context
    ) throws(Violation) {
        guard var reader = observer, let row = world.row, !row.isReported else {
            return observer = nil
        }
        let state = row.finalState ?? (decision == .commit ? .committing : .aborting)
        let next = reader.ends.read(state, [], isRecorded: isRecorded)
        // Without a record of the commit's outcome, nothing more can be read.
        try proceed(with: state == .committing ? .report(state) : next, context)
    }

    private mutating func go(
        on next: DecisionInquiry.Next, _ context: Context
    ) throws(Violation) {
        guard let reader = observer else { return }
        if context.isNoted { context.note("  status: \(next)") }
        switch next {
        case .report(let decision) where reader.next == .commitPoint:
            // The row was undecided when it was read.
            let none = [Outcome?](repeating: nil, count: setting.commitModes.count)
            try readFinish(
                of: decision == .commit ? .committing : .aborting, outcomes: none, context)
        case .report(let decision): try readFinish(of: decision, context)
        case .unknown: observer = nil
        case .readCommitPoint where world.broken == .onlyRowIsRead,
            .readRow where world.broken == .rowIsReadOnce:
            observer = nil
            try report(Reported(), after: reader.reported)
        case .confirmRow: observer?.next = .confirmedRow
        case .readCommitPoint: observer?.next = .commitPoint
        case .readRow: observer?.next = .row
        }
    }

    /// Reads the branches, since the decision may be reported.
    private mutating func readFinish(
        of decision: Decision?, _ context: Context
    ) throws(Violation) {
        // No replica reports a row that waits for an operator.
        guard let row = world.row, !row.isReported else { return observer = nil }
        let state: TransactionState =
            switch decision {
            case nil: .preparing
            case .abort?: row.finalState ?? .aborting
            case .commit?: row.finalState ?? .committing
            }
        observer?.evidence = row.evidence
        try readFinish(of: state, outcomes: row.outcomes, context)
    }

    private mutating func readFinish(
        of state: TransactionState, outcomes: [Outcome?], _ context: Context
    ) throws(Violation) {
        guard var reader = observer else { return }
        let branches = setting.commitModes.indices.map {
            FinishInquiry.Branch(commitMode: setting.commitModes[$0], outcome: outcomes[$0])
        }
        let next = reader.ends.read(state, branches, isRecorded: false)
        observer?.ends = reader.ends
        try proceed(with: next, context)
    }

    private mutating func proceed(
        with next: FinishInquiry.Next, _ context: Context
    ) throws(Violation) {
        guard let reader = observer else { return }
        if context.isNoted { context.note("  status of branches: \(next)") }
        switch next {
        case .readBranch where world.broken == .branchesAreNotRead:
            observer = nil
            try report(Reported(decision: .commit), after: reader.reported)
        case .readBranch(let branch): observer?.next = .branch(branch)
        case .awaitRecord: observer?.next = .rowForFinish(.commit)
        case .confirmRow: observer?.next = .confirmedRowForFinish
        case .report(let state):
            observer = nil
            guard state != .needsOperator else { return }
            let decision: Decision? =
                switch state {
                case .committed, .committing: .commit
                case .aborted, .aborting: .abort
                case .active, .preparing, .needsOperator: nil
                }
            let isFinal = state == .committed || state == .aborted
            try report(Reported(decision: decision, isFinal: isFinal), after: reader.reported)
        }
    }

    private func reading(of row: Row) -> DecisionInquiry.Row {
        DecisionInquiry.Row(
            decision: row.decision, isSettled: row.isFinished || row.isReported,
            mustReadCommitPoint: row.owner != observer?.incarnation
                && (world.hasJournal || row.isDelegated))
    }

    /// Checks a report against the world and against `earlier`, the reports before its reads began.
    mutating func report(_ report: Reported, after earlier: Reported) throws(Violation) {
        let before = reported
        reported.decision = reported.decision ?? report.decision
        reported.isFinal = reported.isFinal || report.isFinal
        // After a restored backup or an operator's change no report can be consistent.
        if world.hasInterference { return }
        if let decision = earlier.decision, report.decision == nil {
            throw Violation("I5: undecided was reported after \(decision)")
        }
        if earlier.isFinal, !report.isFinal {
            throw Violation("I5: reported an unfinished state after a final one")
        }
        if let decision = report.decision, let first = before.decision, first != decision {
            throw Violation("I5: reported \(decision) after \(first)")
        }
        let isKnown =
            switch report.decision {
            case nil: true
            case .commit: world.isCommitDurable
            case .abort: world.isAbortDurable || isRolledBackCommitPoint
            }
        guard isKnown else { throw Violation("I5: reported a decision that is not durable") }
        guard !report.isFinal || world.hasEnded(report.decision) else {
            throw Violation("I5: reported a final state too early")
        }
    }
}
