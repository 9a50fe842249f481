internal import CommitProtocol

/// A branch as the commit point.
extension World {
    mutating func commitLocally(
        _ branch: Int, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> LocalCommitReply {
        guard sites[branch].session == .holds, !sites[branch].isFenced else { return .unknown }
        return try runLocalCommit(branch, evidence)
    }

    /// Runs the COMMIT, whether or not its sender still waits for the answer.
    mutating func runLocalCommit(
        _ branch: Int, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> LocalCommitReply {
        let reply = sites[branch].commitLocally(evidence)
        guard reply == .committed else { return reply }
        if let firstDecision, firstDecision != .commit {
            throw Violation("I1: the commit point committed after an abort was durable")
        }
        firstDecision = .commit
        return reply
    }

    /// Whether the fence refuses an incarnation because of its epoch.
    ///
    /// Once the journal's row is removed, only this check keeps a paused former owner from writing a
    /// decision of its own.
    func isRefused(queryOf branch: Int, by incarnation: Int) -> Bool {
        sites[branch].isJournalRemoved && incarnation < row?.owner ?? 0
    }

    /// Fences the commit point and reads its decision; without one, it records abort.
    mutating func queryCommitPoint(_ branch: Int) throws(Violation) -> CommitPointAnswer {
        if broken != .queryWithoutFence { fence(branch) }
        let site = sites[branch]
        if site.isRestored, broken != .identityUnchecked { return .unprovable }
        guard site.commitMode == .journal else {
            return .decided(site.standing == .committed ? .commit : .abort)
        }
        if site.journal == nil {
            // An INSERT waits for an open transaction that has inserted the same key.
            if site.session == .commitReplyLost { return .tryAgain }
            if broken != .noTombstone { sites[branch].journal = .abort }
            if let firstDecision, firstDecision != .abort {
                throw Violation("I1: the journal's tombstone was written after a commit")
            }
            if broken != .noTombstone { firstDecision = .abort }
        }
        return .decided(sites[branch].journal ?? .abort, evidence: site.journalEvidence)
    }

    /// Reads the commit point without a fence and without writing.
    func readCommitPoint() -> DecisionInquiry.Reading {
        guard let commitPoint, !sites[commitPoint].isRestored else { return .silent }
        if let decision = sites[commitPoint].recordedDecision { return .holds(decision) }
        let isRolledBack =
            sites[commitPoint].commitMode == .onePhase && sites[commitPoint].standing == .rolledBack
        return isRolledBack ? .holds(.abort) : .nothing
    }

    /// Removes the journal's row, once the copy and all outcomes are durable and its session is gone.
    mutating func removeJournalRow() {
        guard let commitPoint, sites[commitPoint].journal != nil, let row else { return }
        let isDue =
            broken == .journalRowRemovedEarly
            || row.isFinished && row.isReplicated && row.isFinishReplicated && row.decision != nil
                && sites[commitPoint].session == .gone
        guard isDue else { return }
        sites[commitPoint].journal = nil
        sites[commitPoint].journalEvidence = []
        sites[commitPoint].isJournalRemoved = broken != .journalRowRemovedEarly
    }
}
