import CommitProtocol

/// A rule that was broken.
struct Violation: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Faults of the environment that no correct one has; each must be caught by some rule.
enum BrokenWorld: CaseIterable, Sendable {
    /// The log overwrites a decision.
    case noCompareAndSet
    /// The log's answer leaves out the evidence that came with another's commit.
    case noForeignEvidence
    /// The fence leaves sessions alive.
    case noFence
    /// A tombstone is answered and not written.
    case tombstoneNotWritten
}

/// What is true outside the machines: one log row, and the participants.
struct World {
    struct Row {
        var decision: Decision?
        var evidence: [PreparedEvidence?]
        var outcomes: [Outcome?]
        var isFinished = false
    }

    /// A participant, as far as one branch goes.
    struct Site {
        enum Standing { case nothing, prepared, committed, rolledBack }

        var standing = Standing.nothing
        /// A session whose coordinator lost it may still run its PREPARE.
        var mayPrepareLate = false
        /// An operator ended the branch by hand.
        var isMeddledWith = false
    }

    var row: Row?
    var sites: [Site]
    /// Another transaction holds the caller's key.
    var isKeyTaken = false
    /// The first decision that was ever durable.
    private(set) var firstDecision: Decision?
    let broken: BrokenWorld?

    init(branchCount: Int, broken: BrokenWorld?) {
        sites = Array(repeating: Site(), count: branchCount)
        self.broken = broken
    }

    mutating func accept() -> Event {
        guard !isKeyTaken, row == nil else { return .acceptRefused }
        row = emptyRow(nil)
        return .accepted
    }

    mutating func decide(
        _ decision: Decision, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> Event {
        guard let found = row else { return .decisionMissing }
        if found.decision == nil || broken == .noCompareAndSet {
            try record(decision, evidence)
        }
        return try answer()
    }

    mutating func tombstone() throws(Violation) -> Event {
        if broken == .tombstoneNotWritten { return .decided(.abort) }
        if row == nil { row = emptyRow(nil) }
        if row?.decision == nil { try record(.abort, []) }
        return try answer()
    }

    mutating func finish(_ outcomes: [Outcome?]) {
        guard let found = row, !found.isFinished else { return }
        row?.outcomes = outcomes
        row?.isFinished = true
    }

    /// A row that nobody has acted on is gone, as after a restored state database.
    mutating func loseUndecidedRow() {
        if row?.decision == nil { row = nil }
    }

    private func emptyRow(_ decision: Decision?) -> Row {
        let none = [PreparedEvidence?](repeating: nil, count: sites.count)
        return Row(
            decision: decision, evidence: none, outcomes: Array(repeating: nil, count: sites.count))
    }

    private mutating func record(
        _ decision: Decision, _ evidence: [PreparedEvidence?]
    ) throws(Violation) {
        if let firstDecision, firstDecision != decision {
            throw Violation("I1: the decision was \(firstDecision) and becomes \(decision)")
        }
        if decision == .commit {
            guard sites.allSatisfy({ $0.standing == .prepared || $0.isMeddledWith }) else {
                throw Violation("AC3: commit is recorded while a branch is not prepared")
            }
            guard !evidence.contains(nil) else {
                throw Violation("I2: commit is recorded without every branch's evidence")
            }
            row?.evidence = evidence
        }
        firstDecision = decision
        row?.decision = decision
    }

    private func answer() throws(Violation) -> Event {
        guard let row, let decision = row.decision else { throw Violation("the row is undecided") }
        return .decided(decision, evidence: broken == .noForeignEvidence ? [] : row.evidence)
    }

    mutating func prepare(_ branch: Int) {
        guard sites[branch].standing == .nothing else { return }
        sites[branch].standing = .prepared
    }

    mutating func refuse(_ branch: Int) {
        if sites[branch].standing == .nothing { sites[branch].standing = .rolledBack }
    }

    mutating func commit(
        _ branch: Int, _ evidence: PreparedEvidence?
    ) throws(Violation) -> FinishReply {
        guard sites[branch].standing == .prepared else { return inquire(branch, evidence) }
        guard row?.decision == .commit else {
            throw Violation("I2: branch \(branch) is committed without a durable decision")
        }
        sites[branch].standing = .committed
        return .done
    }

    /// `isFenced`: absence may be believed, since nobody can prepare the branch any more.
    mutating func rollBack(
        _ branch: Int, _ evidence: PreparedEvidence?, isFenced: Bool
    ) throws(Violation) -> FinishReply {
        if isFenced, broken != .noFence { sites[branch].mayPrepareLate = false }
        switch sites[branch].standing {
        case .prepared:
            guard firstDecision != .commit else {
                throw Violation("AC1: branch \(branch) is rolled back, the decision is commit")
            }
            sites[branch].standing = .rolledBack
            return .done
        case .nothing: return .provedRolledBack
        case .committed, .rolledBack:
            // A fence believes in absence; with evidence it also knows which way the branch went.
            return evidence == nil ? .provedRolledBack : inquire(branch, evidence)
        }
    }

    /// An operator ends a prepared branch by hand.
    mutating func meddle(_ branch: Int, commits: Bool) {
        guard sites[branch].standing == .prepared else { return }
        sites[branch].standing = commits ? .committed : .rolledBack
        sites[branch].isMeddledWith = true
    }

    private func inquire(_ branch: Int, _ evidence: PreparedEvidence?) -> FinishReply {
        switch sites[branch].standing {
        case _ where evidence == nil: .unprovable
        case .committed: .provedCommitted
        case .rolledBack: .provedRolledBack
        case .nothing, .prepared: .unprovable
        }
    }
}
