internal import CommitProtocol

/// A rule that was broken.
package struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// What is true outside the machines: one row of the state database, and the participants.
struct World: Hashable, Sendable {
    var row: Row?
    var sites: [Site]
    /// Another transaction holds the caller's key.
    var isKeyTaken = false
    /// The first decision that was ever durable, in the row or in a register.
    var firstDecision: Decision?
    let broken: BrokenWorld?

    init(commitModes: [CommitMode], broken: BrokenWorld?) {
        sites = commitModes.map(Site.init)
        self.broken = broken
    }

    var commitPoint: Int? { sites.firstIndex { $0.commitMode.isCommitPoint } }
    var hasJournal: Bool { sites.contains { $0.commitMode == .journal } }
    /// An operator or a backup has interfered: heuristic outcomes may be true.
    var isMeddledWith: Bool { sites.contains(where: \.isMeddledWith) }

    /// Whether commit is durable where this transaction's decision is made.
    var isCommitDurable: Bool {
        guard let commitPoint else { return isCommitInRow }
        // A backup can take it away again; who had heard of it was right all the same.
        let wasDecidedAtCommitPoint = sites[commitPoint].isRestored && firstDecision == .commit
        return sites[commitPoint].recordedDecision == .commit || wasDecidedAtCommitPoint
            || isCommitInRow
    }

    /// Whether an abort is durable: in the row, or in the register that the row is a copy of.
    var isAbortDurable: Bool {
        row?.decision == .abort && row?.isReplicated == true
            || commitPoint.map { sites[$0].recordedDecision == .abort } ?? false
    }

    private var isCommitInRow: Bool { row?.decision == .commit && row?.isReplicated == true }

    /// I1: what was durable once stays.
    mutating func replicate() throws(Violation) {
        row?.isReplicated = true
        row?.isEndReplicated = true
        guard let decision = row?.decision else { return }
        if let firstDecision, firstDecision != decision {
            throw Violation("I1: the decision was \(firstDecision) and becomes \(decision)")
        }
        firstDecision = decision
    }
}

/// The branches, each of one order at a time, as they do what they are told.
extension World {
    /// The session does its work; true if it may count on its session.
    mutating func work(_ branch: Int) throws(Violation) -> Bool {
        guard !sites[branch].isFenced || broken == .sessionsUnregistered else { return false }
        try runWork(branch)
        return true
    }

    /// I4: nothing appears after the transaction was reported finished.
    mutating func runWork(_ branch: Int) throws(Violation) {
        sites[branch].work()
        let isLeft = sites[branch].standing == .prepared || sites[branch].standing == .open
        if row?.isFinished == true, isLeft {
            throw Violation("I4: branch \(branch) comes to life after the end")
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
            throw Violation("I2: branch \(branch) is committed without a durable decision")
        }
        sites[branch].standing = .committed
        sites[branch].executions += 1
        return .done
    }

    /// `isFenced`: absence may be believed, since nobody can prepare the branch any more.
    mutating func rollBack(
        _ branch: Int, _ evidence: PreparedEvidence?, isFenced: Bool
    ) throws(Violation) -> FinishReply {
        if isFenced { fence(branch) }
        switch sites[branch].standing {
        case .prepared:
            guard firstDecision != .commit else {
                throw Violation("AC1: branch \(branch) is rolled back, the decision is commit")
            }
            sites[branch].standing = .rolledBack
            return .done
        case .nothing, .open: return .provedRolledBack
        case .committed, .rolledBack:
            // A fence believes in absence; with evidence it also knows which way the branch went.
            return evidence == nil ? .provedRolledBack : inquire(branch, evidence)
        }
    }

    /// Tells the session that holds a transaction to end it.
    mutating func release(_ branch: Int, _ decision: Decision) -> FinishReply {
        guard sites[branch].session == .holds, !sites[branch].isFenced else { return .tryAgain }
        sites[branch].session = .gone
        sites[branch].standing = decision == .commit ? .committed : .rolledBack
        return .done
    }

    /// What a branch of a commit shows to somebody who only looks.
    func lookAtEnd(of branch: Int, _ evidence: [PreparedEvidence?]) -> FinishInquiry.Reading {
        if sites[branch].standing == .prepared { return .open }
        guard evidence.indices.contains(branch) else { return .silent }
        return inquire(branch, evidence[branch]) == .provedCommitted ? .committed : .silent
    }

    /// Whether nothing is left to be ended; of a read-only branch nothing is kept.
    func hasEnded(_ decision: Decision?) -> Bool {
        sites.allSatisfy { site in
            switch decision {
            case nil: false
            case .commit: site.standing == .committed || site.commitMode == .readOnly
            case .abort: site.standing != .prepared && site.standing != .open
            }
        }
    }

    /// No such gid: what the evidence proves, on the timeline that it is of.
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

    /// An operator ends a prepared branch by hand.
    mutating func meddle(_ branch: Int, commits: Bool) {
        guard sites[branch].standing == .prepared else { return }
        sites[branch].standing = commits ? .committed : .rolledBack
        sites[branch].isMeddledWith = true
    }

    /// A backup from before the branch takes the participant's place.
    mutating func restore(_ branch: Int) {
        let site = sites[branch]
        let isCommitPoint = site.commitMode.isCommitPoint && site.recordedDecision == .commit
        guard site.standing == .prepared || isCommitPoint, row?.isFinished != true else { return }
        sites[branch].standing = .rolledBack
        sites[branch].journal = nil
        sites[branch].journalEvidence = []
        sites[branch].isRestored = true
        sites[branch].isMeddledWith = true
        sites[branch].endSession()
    }
}
