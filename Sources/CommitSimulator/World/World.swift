internal import CommitProtocol

/// A broken rule.
package struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// The state outside the machines: a row of the state database, and the participants.
struct World: Hashable, Sendable {
    var row: Row?
    var sites: [Site]
    /// Whether another transaction has the caller's key.
    var isKeyTaken = false
    /// The first decision that became durable, in the row or at the commit point.
    var firstDecision: Decision?
    let broken: BrokenWorld?

    init(commitModes: [CommitMode], broken: BrokenWorld?) {
        sites = commitModes.map(Site.init)
        self.broken = broken
    }

    var commitPoint: Int? { sites.firstIndex { $0.commitMode.isCommitPoint } }
    var hasJournal: Bool { sites.contains { $0.commitMode == .journal } }
    /// Whether an operator or a restored backup changed a branch, so that heuristic outcomes are right.
    var hasInterference: Bool { sites.contains(where: \.hasInterference) }

    /// Whether commit is durable at the commit point.
    var isCommitDurable: Bool {
        guard let commitPoint else { return isCommitInRow }
        // A restored backup can lose the decision; earlier reports of it were right.
        let wasDecidedAtCommitPoint = sites[commitPoint].isRestored && firstDecision == .commit
        return sites[commitPoint].recordedDecision == .commit || wasDecidedAtCommitPoint
            || isCommitInRow
    }

    /// Whether an abort is durable in the row or at the commit point.
    var isAbortDurable: Bool {
        row?.decision == .abort && row?.isReplicated == true
            || commitPoint.map { sites[$0].recordedDecision == .abort } ?? false
    }

    private var isCommitInRow: Bool { row?.decision == .commit && row?.isReplicated == true }

    /// Makes the row durable, and checks I1: a durable decision stays.
    mutating func replicate() throws(Violation) {
        row?.isReplicated = true
        row?.isFinishReplicated = true
        guard let decision = row?.decision else { return }
        if let firstDecision, firstDecision != decision {
            throw Violation("I1: the decision changed from \(firstDecision) to \(decision)")
        }
        firstDecision = decision
    }
}

/// The branches execute commands.
extension World {
    /// Runs a branch's work; false if the fence has ended its session.
    mutating func work(_ branch: Int) throws(Violation) -> Bool {
        guard !sites[branch].isFenced || broken == .sessionsUnrecorded else { return false }
        try runWork(branch)
        return true
    }

    /// Runs the work of a session, and checks I4: nothing appears after the transaction has finished.
    mutating func runWork(_ branch: Int) throws(Violation) {
        sites[branch].work()
        let isLeft = sites[branch].standing == .prepared || sites[branch].standing == .open
        if row?.isFinished == true, isLeft {
            throw Violation(
                "I4: branch \(branch) was prepared or opened after the transaction finished")
        }
    }

    mutating func refuse(_ branch: Int) {
        if sites[branch].standing == .nothing { sites[branch].standing = .rolledBack }
        sites[branch].session = .gone
    }

    mutating func fence(_ branch: Int) {
        guard broken != .noFence else { return }
        sites[branch].isFenced = true
        sites[branch].endSession()
    }

    mutating func commit(
        _ branch: Int, _ evidence: PreparedEvidence?
    ) throws(Violation) -> FinishReply {
        guard sites[branch].standing == .prepared else { return inquire(branch, evidence) }
        guard isCommitDurable else {
            throw Violation("I2: branch \(branch) committed without a durable decision")
        }
        sites[branch].standing = .committed
        sites[branch].executions += 1
        return .done
    }

    /// With `isFenced`, absence is proof, since no session can prepare the branch any more.
    mutating func rollBack(
        _ branch: Int, _ evidence: PreparedEvidence?, isFenced: Bool
    ) throws(Violation) -> FinishReply {
        if isFenced { fence(branch) }
        switch sites[branch].standing {
        case .prepared:
            guard firstDecision != .commit else {
                throw Violation(
                    "AC1: branch \(branch) rolled back, although the decision is commit")
            }
            sites[branch].standing = .rolledBack
            return .done
        case .nothing, .open: return .provedRolledBack
        case .committed, .rolledBack:
            // After the fence absence is proof; evidence also shows the outcome.
            return evidence == nil ? .provedRolledBack : inquire(branch, evidence)
        }
    }

    /// Ends the transaction that a session holds.
    mutating func release(_ branch: Int, _ decision: Decision) -> FinishReply {
        guard sites[branch].session == .holds, !sites[branch].isFenced else { return .tryAgain }
        sites[branch].session = .gone
        sites[branch].standing = decision == .commit ? .committed : .rolledBack
        return .done
    }

    /// Reads whether a branch has committed.
    func readBranch(of branch: Int, _ evidence: [PreparedEvidence?]) -> FinishInquiry.Reading {
        if sites[branch].standing == .prepared { return .open }
        guard evidence.indices.contains(branch) else { return .silent }
        return inquire(branch, evidence[branch]) == .provedCommitted ? .committed : .silent
    }

    /// Whether every branch has finished by the decision; a read-only branch keeps nothing.
    func hasEnded(_ decision: Decision?) -> Bool {
        sites.allSatisfy { site in
            switch decision {
            case nil: false
            case .commit: site.standing == .committed || site.commitMode == .readOnly
            case .abort: site.standing != .prepared && site.standing != .open
            }
        }
    }

    /// Judges an absent gid by its evidence, which counts only on its own timeline.
    private func inquire(_ branch: Int, _ evidence: PreparedEvidence?) -> FinishReply {
        if broken == .absenceIsDone { return .done }
        guard evidence != nil else { return .unprovable }
        if sites[branch].isRestored {
            return broken == .timelineIgnored ? .provedCommitted : .unprovable
        }
        return switch sites[branch].standing {
        case .committed: .provedCommitted
        case .rolledBack: .provedRolledBack
        case .nothing, .open, .prepared: .unprovable
        }
    }

    /// Ends a prepared branch as an operator does by hand.
    mutating func endByHand(_ branch: Int, commits: Bool) {
        guard sites[branch].standing == .prepared else { return }
        sites[branch].standing = commits ? .committed : .rolledBack
        sites[branch].hasInterference = true
    }

    /// Restores the participant from a backup that is older than the branch.
    mutating func restore(_ branch: Int) {
        let site = sites[branch]
        let isCommitPoint = site.commitMode.isCommitPoint && site.recordedDecision == .commit
        guard site.standing == .prepared || isCommitPoint, row?.isFinished != true else { return }
        sites[branch].standing = .rolledBack
        sites[branch].journal = nil
        sites[branch].journalEvidence = []
        sites[branch].isRestored = true
        sites[branch].hasInterference = true
        sites[branch].endSession()
    }
}
