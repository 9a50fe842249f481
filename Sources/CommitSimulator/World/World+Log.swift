internal import CommitProtocol

/// The state database, as it carries requests out.
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
            throw Violation("journal: the row is asked to decide")
        }
        if found.isDelegated, found.decision == nil, broken != .delegationOverruled {
            return .delegationFound(evidence: found.evidence)
        }
        let isStaleRead = broken == .readThenAct && !hasReadDecided
        if found.decision == nil || broken == .noCompareAndSet || isStaleRead {
            try write(decision, evidence)
        }
        guard isReplicated else {
            // It is visible, and its acknowledgement never came.
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

    /// The row says after the fact what the register said; a trigger refuses anything else.
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
        guard let commitPoint else { throw Violation("register: a copy, and the row decides") }
        let site = sites[commitPoint]
        let isTrue =
            site.isMeddledWith
            || (decision == .commit
                ? site.recordedDecision == .commit : site.recordedDecision != .commit)
        guard isTrue else { throw Violation("register: the copy says \(decision), it does not") }
    }

    /// The write checks the epoch: only the row's owner may say that all is done.
    ///
    /// Were a former owner allowed to, the journal's row could be removed while the owner is still
    /// asking for it, and would then write a tombstone in its place.
    mutating func finish(
        _ outcomes: [Outcome?], _ decision: Decision?, _ evidence: [PreparedEvidence?],
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
        row?.isEndReplicated = false
        if isReplicated { try replicate() }
    }

    /// A heuristic outcome is recorded before the end; whoever takes the row over keeps it.
    mutating func note(_ outcomes: [Outcome?], by incarnation: Int) {
        guard let found = row, !found.isFinished, incarnation == found.owner else { return }
        row?.outcomes = outcomes
    }

    /// A write of one's own: what it answers is durable.
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

    /// The state database falls back to what is durable.
    ///
    /// `losesRow`: a row that nobody was told of is gone with it, which an accepted transaction
    /// that a register decides does not allow.
    mutating func failOver(losesRow: Bool) {
        guard let found = row else { return }
        if !found.isEndReplicated {
            row?.isFinished = false
            row?.outcomes = Array(repeating: nil, count: sites.count)
            row?.isEndReplicated = true
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
                guard isDone || site.isMeddledWith else {
                    throw Violation("AC3: commit is recorded, and branch \(branch) has not voted")
                }
                guard evidence.indices.contains(branch), evidence[branch] != nil else {
                    throw Violation("I2: commit is recorded without every branch's evidence")
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
