internal import CommitProtocol

/// The state database executes requests.
extension World {
    mutating func accept() -> Event {
        guard !isKeyTaken, row == nil else { return .acceptRefused }
        row = Row(branchCount: sites.count)
        return .accepted
    }

    mutating func decide(
        _ decision: Decision, _ evidence: [PreparedEvidence?], isReplicated: Bool = true,
        hasReadDecided: Bool = false
    ) throws(Violation) -> Event {
        guard let found = row else { return .decisionMissing }
        if hasJournal, found.decision == nil {
            throw Violation("journal: the row was asked to decide")
        }
        if found.isDelegated, found.decision == nil, broken != .delegationOverruled {
            return .delegationFound(evidence: found.evidence)
        }
        let isStaleRead = broken == .readThenAct && !hasReadDecided
        if found.decision == nil || broken == .noCompareAndSet || isStaleRead {
            try write(decision, evidence)
        }
        guard isReplicated else {
            // The decision is visible, but its acknowledgement was lost.
            if found.decision == nil { row?.isReplicated = false }
            return .decisionUnknown
        }
        return try answer()
    }

    mutating func tombstone() throws(Violation) -> Event {
        if broken == .tombstoneNotWritten { return .decided(.abort) }
        if row == nil { row = Row(branchCount: sites.count) }
        if row?.decision == nil {
            guard row?.isDelegated != true || broken == .delegationOverruled else {
                return .decisionUnknown
            }
            try write(.abort, [])
        }
        return try answer()
    }

    mutating func delegate(_ evidence: [PreparedEvidence?]) throws(Violation) -> Event {
        guard let found = row else { return .decisionMissing }
        guard found.decision == nil else { return try answer() }
        if broken != .delegationNotWritten {
            row?.isDelegated = true
            row?.evidence = evidence
        }
        return .delegated
    }

    /// Records the commit point's decision; a trigger refuses any other.
    mutating func copy(
        _ decision: Decision, _ evidence: [PreparedEvidence?]
    ) throws(Violation) -> Event {
        if row == nil { row = Row(branchCount: sites.count) }
        if row?.decision == nil {
            try checkCopy(decision)
            try write(decision, evidence)
        }
        return try answer()
    }

    private func checkCopy(_ decision: Decision) throws(Violation) {
        guard let commitPoint else {
            throw Violation("commit point: a copy, although the row decides")
        }
        let site = sites[commitPoint]
        let isTrue =
            site.hasInterference
            || (decision == .commit
                ? site.recordedDecision == .commit : site.recordedDecision != .commit)
        guard isTrue else {
            throw Violation("commit point: the copy says \(decision), the commit point does not")
        }
    }

    /// Records the outcomes, if the incarnation owns the row.
    ///
    /// If a former owner could do so, the journal's row could be removed while the owner still
    /// queries it, and the query would write a tombstone in its place.
    mutating func finish(
        _ outcomes: [Outcome?], decision: Decision?, evidence: [PreparedEvidence?],
        by incarnation: Int, isReplicated: Bool = true
    ) throws(Violation) {
        guard let found = row, !found.isFinished else { return }
        guard incarnation == found.owner || broken == .formerOwnerFinishes else { return }
        if found.decision == nil, let decision {
            try checkCopy(decision)
            try write(decision, evidence)
            row?.isReplicated = false
        }
        row?.outcomes = outcomes
        row?.isFinished = true
        row?.isFinishReplicated = false
        if isReplicated { try replicate() }
    }

    /// Records a heuristic outcome early; a new owner of the row keeps it.
    mutating func note(_ outcomes: [Outcome?], by incarnation: Int) {
        guard let found = row, !found.isFinished, incarnation == found.owner else { return }
        row?.outcomes = outcomes
    }

    /// Claims the row by a write, so that its content is durable.
    mutating func claim(by incarnation: Int) throws(Violation) -> RecoveredTransaction? {
        guard let found = row, !found.isFinished, !found.isReported else { return nil }
        row?.owner = incarnation
        if broken != .readNotClaimed { try replicate() }
        let branches = sites.indices.map {
            RecoveredBranch(evidence: found.evidence[$0], outcome: found.outcomes[$0])
        }
        return RecoveredTransaction(
            decision: found.decision, isDelegated: found.isDelegated, branches: branches)
    }

    /// Resets the row to what is durable.
    ///
    /// With `losesRow` an undecided row is lost, too, unless a branch decides: its row must be durable.
    mutating func failOver(losesRow: Bool) {
        guard let found = row else { return }
        if !found.isFinishReplicated {
            row?.isFinished = false
            row?.outcomes = Array(repeating: nil, count: sites.count)
            row?.isFinishReplicated = true
        }
        if !found.isReplicated {
            row?.decision = nil
            row?.evidence = Array(repeating: nil, count: sites.count)
            row?.isReplicated = true
        }
        let isAtCommitPoint = hasJournal && broken != .acceptNotDurable || found.isDelegated
        if losesRow, row?.decision == nil, !isAtCommitPoint { row = nil }
    }

    private mutating func write(
        _ decision: Decision, _ evidence: [PreparedEvidence?]
    ) throws(Violation) {
        if decision == .commit {
            for (branch, site) in sites.enumerated() where site.commitMode == .twoPhase {
                let isDone = site.standing == .prepared || site.standing == .committed
                guard isDone || site.hasInterference else {
                    throw Violation("AC3: recorded commit, although branch \(branch) has not voted")
                }
                guard evidence.indices.contains(branch), evidence[branch] != nil else {
                    throw Violation("I2: recorded commit without every branch's evidence")
                }
            }
            if broken != .evidenceNotDurable { row?.evidence = evidence }
        }
        row?.decision = decision
    }

    private mutating func answer() throws(Violation) -> Event {
        try replicate()
        guard let row, let decision = row.decision else { throw Violation("the row is undecided") }
        return .decided(decision, evidence: broken == .noForeignEvidence ? [] : row.evidence)
    }
}
