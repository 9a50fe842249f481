internal import CommitProtocol

/// The branch that decides, if the row does not.
extension World {
    mutating func commitLocally(
        _ branch: Int, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> RegisterReply {
        guard sites[branch].session == .holds, !sites[branch].isFenced else { return .unknown }
        return try runLocalCommit(branch, evidence)
    }

    /// The COMMIT runs, whether or not anybody still waits for it.
    mutating func runLocalCommit(
        _ branch: Int, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> RegisterReply {
        let reply = sites[branch].commitLocally(evidence)
        guard reply == .committed else { return reply }
        if let firstDecision, firstDecision != .commit {
            throw Violation("I1: the register commits after an abort was durable")
        }
        firstDecision = .commit
        return reply
    }

    /// The fence checks the epoch; once the journal's row is gone, only that stands between a life
    /// that slept and an answer of its own making.
    func isRefused(askingFor branch: Int, by life: Int) -> Bool {
        sites[branch].isJournalRemoved && life < row?.owner ?? 0
    }

    /// Behind the fence: what the register holds; where that is nothing, it is made to hold abort.
    mutating func askRegister(_ branch: Int) throws(Violation) -> RegisterAnswer {
        if broken != .askWithoutFence { fence(branch) }
        let site = sites[branch]
        if site.isRestored, broken != .identityUnchecked { return .unprovable }
        guard site.ending == .journal else {
            return .decided(site.standing == .committed ? .commit : .abort)
        }
        if site.journal == nil {
            // A plain INSERT waits for an open transaction that has inserted the key.
            if site.session == .commitsUnheard { return .tryAgain }
            if broken != .noTombstone { sites[branch].journal = .abort }
            if let firstDecision, firstDecision != .abort {
                throw Violation("I1: the journal's tombstone comes after a commit")
            }
            if broken != .noTombstone { firstDecision = .abort }
        }
        return .decided(sites[branch].journal ?? .abort, evidence: site.journalEvidence)
    }

    /// What the register shows to somebody who only looks: no fence, and nothing is written.
    func look() -> DecisionInquiry.Sight {
        guard let register, !sites[register].isRestored else { return .silent }
        if let decision = sites[register].registered { return .holds(decision) }
        let isRolledBack =
            sites[register].ending == .onePhase && sites[register].standing == .rolledBack
        return isRolledBack ? .holds(.abort) : .nothing
    }

    /// A journal's row goes only after the copy is durable, all have ended, and its session is gone.
    mutating func removeJournalRow() {
        guard let register, sites[register].journal != nil, let row else { return }
        let isDue =
            broken == .journalRowRemovedEarly
            || row.isFinished && row.isReplicated && row.isEndReplicated && row.decision != nil
                && sites[register].session == .gone
        guard isDue else { return }
        sites[register].journal = nil
        sites[register].journalEvidence = []
        sites[register].isJournalRemoved = broken != .journalRowRemovedEarly
    }
}
