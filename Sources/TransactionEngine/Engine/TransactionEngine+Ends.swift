import CommitProtocol

/// What is told of an end: `EndInquiry` says what is looked at for it.
extension TransactionEngine {
    /// A record whose decision may be told, with what may be told of its end.
    ///
    /// Whoever drives a transaction does not know what others have found: the last answer of a
    /// participant may be on its way, or another life may have ended it all.
    func told(
        _ known: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        if let here = current(known.id), recentlyEnded[here.id] != nil || isUnrecorded(here) {
            return try await recorded(here)
        }
        var isRowRead = transactions[known.id] == nil
        var record = known
        var inquiry = EndInquiry()
        var next = inquiry.read(record.state, record.inquired, isRecorded: false)
        while true {
            switch next {
            case .look(let branch):
                next = inquiry.saw(await participants.look(at: record.question(branch)))
            case .awaitRecord:
                isRowRead = true
                next = .tell(.committing)
                if let row = try await endInRow(record.id) {
                    record = row
                    next = inquiry.read(row.state, row.inquired, isRecorded: false)
                }
            case .confirmRow:
                record = try await log.confirmedRecord(record.id) ?? record
                next = inquiry.read(record.state, record.inquired, isRecorded: true)
            case .tell(let state):
                if !isRowRead, state == .committing || state == .aborting {
                    isRowRead = true
                    if let row = try await log.record(record.id), row.hasEnd {
                        record = row
                        next = inquiry.read(row.state, row.inquired, isRecorded: false)
                        continue
                    }
                }
                guard state == .committed, record.state == .committing else {
                    return record.told(state)
                }
                return await recordingWhatIsSeen(record)
            }
        }
    }

    /// A commit that was seen to have ended everywhere: recorded before it is told, for whoever is asked
    /// next, the owner among them, may not be able to see it.
    ///
    /// A standby that has not heard of a commit may yet be promoted, and would hold the branch again; so
    /// it is recorded once later writes are through, and else by whoever ends the branches.
    ///
    /// Where that fails it is told all the same, for others may have told it. A decision that stands in a
    /// register alone has no record of its end but its owner's.
    private func recordingWhatIsSeen(_ record: TransactionRecord) async -> TransactionRecord {
        let seen = record.told(.committed)
        for (index, branch) in record.branches.enumerated()
        where branch.commitMode == .twoPhase && branch.outcome != .committed {
            guard await participants.hasConfirmed(record.question(index)) else { return seen }
        }
        var ended = seen
        ended.finishedAt = clock.wallTime
        try? await log.recordEnd(ended)
        return seen
    }

    /// The row, if an end is recorded there by now or within a moment.
    private func endInRow(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        for milliseconds in [0, 50, 200] as [Int64] {
            if milliseconds > 0 { await pause(.milliseconds(milliseconds)) }
            if let row = try await log.record(id), row.hasEnd { return row }
        }
        return nil
    }

    /// What has ended here: at once where others can see the same, else as soon as it is recorded; as
    /// under way, if that takes too long.
    func recorded(
        _ known: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        let until = clock.milliseconds + 1000
        var ended = known
        while isUnrecorded(ended) {
            let left = until - clock.milliseconds
            guard left > 0 else {
                guard let unrecorded = ended.unrecorded else {
                    throw LogUnavailable(
                        "What decides it is gone, and that is not recorded yet.",
                        isOutcomeUnknown: true)
                }
                return unrecorded
            }
            await distantChange(of: ended.id, within: .milliseconds(left))
            ended = current(ended.id) ?? ended
        }
        return ended
    }

    /// A row, or what may be told at once of what this replica knows beyond it.
    func listed(_ row: TransactionRecord) -> TransactionRecord {
        let known = latest(row)
        return isUnrecorded(known) ? known.unrecorded ?? row : known
    }
}

extension TransactionRecord {
    fileprivate var inquired: [EndInquiry.Branch] {
        branches.map { EndInquiry.Branch(commitMode: $0.commitMode, outcome: $0.outcome) }
    }

    /// Whether an end is recorded in this row.
    fileprivate var hasEnd: Bool { finishedAt != nil || state == .needsOperator }

    /// What is asked about a branch of a commit.
    fileprivate func question(_ branch: Int) -> FinishRequest {
        FinishRequest(
            participant: branches[branch].participant, gid: branches[branch].gid,
            decision: .commit, evidence: branches[branch].evidence, fence: .none,
            version: branches[branch].version)
    }

    /// With the state that was found; a commit that was seen to have ended has done so everywhere.
    fileprivate func told(_ state: TransactionState) -> TransactionRecord {
        guard state == .committed, self.state == .committing else { return self }
        var record = self
        record.state = state
        for index in record.branches.indices { record.branches[index].outcome = .committed }
        return record
    }

    /// As it was a moment before its end; nil if nothing was decided.
    fileprivate var unrecorded: TransactionRecord? {
        guard let decision else { return nil }
        var record = self
        record.state = decision == .commit ? .committing : .aborting
        record.finishedAt = nil
        for branch in record.heuristicBranches { record.branches[branch].outcome = nil }
        return record
    }
}
