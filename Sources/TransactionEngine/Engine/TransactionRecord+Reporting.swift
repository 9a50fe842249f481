import CommitProtocol

/// What `StatusReader` asks of a record, and what it makes of one before it reports it.
extension TransactionRecord {
    var inquired: [FinishInquiry.Branch] {
        branches.map { FinishInquiry.Branch(commitMode: $0.commitMode, outcome: $0.outcome) }
    }

    /// Whether this row records a finish.
    var isFinishRecorded: Bool { finishedAt != nil || state == .needsOperator }

    /// Asks whether a branch of a commit has committed.
    func question(_ branch: Int) -> FinishRequest {
        FinishRequest(
            participant: branches[branch].participant, gid: branches[branch].gid,
            decision: .commit, evidence: branches[branch].evidence, fence: .none,
            version: branches[branch].version)
    }

    var committedEverywhere: TransactionRecord {
        var record = self
        record.state = .committed
        for index in record.branches.indices { record.branches[index].outcome = .committed }
        return record
    }

    /// As if it had not finished: the state and the branches are put back to what may be reported
    /// before its finish record; nil if nothing was decided.
    var beforeFinish: TransactionRecord? {
        guard let decision else { return nil }
        var record = self
        record.state = decision == .commit ? .committing : .aborting
        record.finishedAt = nil
        for branch in record.heuristicBranches { record.branches[branch].outcome = nil }
        return record
    }

    /// With the decision that a commit point holds, and what it keeps beside that.
    func decided(
        _ decision: Decision, evidence: [PreparedEvidence?], results: [UInt8]?
    ) -> TransactionRecord {
        var row = self
        row.decision = decision
        row.state = decision == .commit ? .committing : .aborting
        for (index, found) in evidence.enumerated() where row.branches.indices.contains(index) {
            row.branches[index].evidence = row.branches[index].evidence ?? found
        }
        if decision == .commit { row.results = row.results ?? results }
        return row
    }
}
