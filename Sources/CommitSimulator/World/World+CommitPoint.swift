internal import CommitProtocol

/// The branch that decides, if the row does not.
extension World {
    mutating func commitLocally(
        _ branch: Int, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> LocalCommitReply {
        guard sites[branch].session == .holds, !sites[branch].isFenced else { return .unknown }
        return try runLocalCommit(branch, evidence)
    }

    /// The COMMIT runs, whether or not anybody still waits for it.
    mutating func runLocalCommit(
        _ branch: Int, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> LocalCommitReply {
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
    func isRefused(askingFor branch: Int, by incarnation: Int) -> Bool {
        sites[branch].isJournalRemoved && incarnation < row?.owner ?? 0
    }

    /// Behind the fence: what the register holds; where that is nothing, it is made to hold abort.
    mutating func queryCommitPoint(_ branch: Int) throws(Violation) -> CommitPointAnswer {
        if broken != .askWithoutFence { fence(branch) }
        let site = sites[branch]
        if site.isRestored, broken != .identityUnchecked { return .unprovable }
        guard site.commitMode == .journal else {
            return .decided(site.standing == .committed ? .commit : .abort)
        }
        if site.journal == nil {
            // A plain INSERT waits for an open transaction that has inserted the key.
            if site.session == .commitReplyLost { return .tryAgain }
            if broken != .noTombstone { sites[branch].journal = .abort }
            if let firstDecision, firstDecision != .abort {
                throw Violation("I1: the journal's tombstone comes after a commit")
            }
            if broken != .noTombstone { firstDecision = .abort }
        }
        return .decided(sites[branch].journal ?? .abort, evidence: site.journalEvidence)
    }

    /// What the register shows to somebody who only looks: no fence, and nothing is written.
    func look() -> DecisionInquiry.Reading {
        guard let commitPoint, !sites[commitPoint].isRestored else { return .silent }
        if let decision = sites[commitPoint].recordedDecision { return .holds(decision) }
        let isRolledBack =
            sites[commitPoint].commitMode == .onePhase && sites[commitPoint].standing == .rolledBack
        return isRolledBack ? .holds(.abort) : .nothing
    }

    /// A journal's row goes only after the copy is durable, all have ended, and its session is gone.
    mutating func removeJournalRow() {
        guard let commitPoint, sites[commitPoint].journal != nil, let row else { return }
        let isDue =
            broken == .journalRowRemovedEarly
            || row.isFinished && row.isReplicated && row.isEndReplicated && row.decision != nil
                && sites[commitPoint].session == .gone
        guard isDue else { return }
        sites[commitPoint].journal = nil
        sites[commitPoint].journalEvidence = []
        sites[commitPoint].isJournalRemoved = broken != .journalRowRemovedEarly
    }
}
