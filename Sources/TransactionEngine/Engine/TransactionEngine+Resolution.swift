public import CommitProtocol
import Logging

extension TransactionEngine {
    /// Takes an operator's word for a branch that could not be ended, or could not be proved.
    ///
    /// `isExpected` is asked about the version that the operator has seen; nil stands for a prepared
    /// transaction without a row. What contradicts the recorded decision, or the proof of an end
    /// against it, has to be forced.
    public func resolve(
        _ id: GlobalTransactionID, _ resolution: Resolution,
        isExpected: @Sendable (String?) -> Bool
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        // What has ended here a moment ago is changed where it is recorded, so it has to be there.
        var looks = 0
        while recentlyEnded[id] != nil {
            guard looks < 100 else { throw LogUnavailable("its end is not recorded yet") }
            looks += 1
            await pause(.milliseconds(20))
        }
        guard let record = try await standing(id) else {
            return try await resolveRowless(id, resolution, isExpected)
        }
        guard isExpected(record.version) else { return .changed }
        if let found = reported(id, resolution.branch), record.finishedAt != nil {
            return try await resolveResurrected(record, found, resolution)
        }
        guard record.branches.indices.contains(resolution.branch) else {
            return .refused("The transaction has no such branch.")
        }
        guard let decision = record.decision else {
            return try await resolveHeld(record, resolution)
        }
        let outcome = record.branches[resolution.branch].outcome
        if let reason = resolution.contradiction(of: decision, outcome), !resolution.isForced {
            return .refused("\(reason), which this contradicts; it has to be forced.")
        }
        if record.finishedAt == nil {
            return try await resolveUnended(record, resolution)
        }
        guard let outcome, !outcome.isAsDecided else {
            return .refused("The branch has ended as decided; there is nothing to resolve.")
        }
        var after = record
        after.branches[resolution.branch].outcome = resolution.outcome(under: decision)
        let open = after.branches.indices.filter {
            after.branches[$0].outcome?.isAsDecided != true
        }
        let state: TransactionState =
            !open.isEmpty ? .needsOperator : decision == .commit ? .committed : .aborted
        let heard = Set(record.resolutions.map(\.branch) + [resolution.branch])
        let change = ResolutionChange.outcome(
            resolution.outcome(under: decision), state, isLast: heard.isSuperset(of: open))
        return try await write(resolution, found: outcome.rawValue, record, change)
    }

    /// A branch that waits, for its server is not the one that it was, or will never answer again.
    ///
    /// It ends on the operator's word alone, so that has to be forced. Whoever drives it is woken,
    /// and looks at what is recorded; so does whoever takes it over.
    private func resolveUnended(
        _ record: TransactionRecord, _ resolution: Resolution
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        if let outcome = record.branches[resolution.branch].outcome {
            return .refused(
                outcome.isAsDecided
                    ? "The branch has ended as decided; there is nothing to resolve."
                    : "The branch ended as \(outcome.rawValue), and others are still being ended. It "
                        + "can be resolved when they have ended, or are resolved themselves.")
        }
        guard resolution.isForced else {
            return .refused(
                "The branch is still to be ended, which is tried again and again. To end it on your "
                    + "word alone has to be forced.")
        }
        let answer = try await write(
            resolution, found: record.branches[resolution.branch].lastError ?? "unended", record,
            .note)
        guard case .recorded = answer else { return answer }
        await signals.send(.resolved(record.id))
        try await applyResolutions(to: record.id)
        guard let now = try await standing(record.id) else { return .notFound }
        return .recorded(now)
    }

    /// What is known of a transaction, whosever it is: operators are not callers.
    private func standing(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        if let known = current(id), known.isDecided { return known }
        guard let row = try await log.record(id) else { return nil }
        return try await withResolutions(latest(confirmed(row)))
    }

    /// A record with the resolutions that are recorded for it.
    func withResolutions(
        _ record: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        guard record.resolutionCount > 0 else { return record }
        var record = record
        record.resolutions = try await log.resolutions(of: record.id)
        return record
    }

    /// An undecided row that may have been decided before the state database changed, or whose register
    /// is gone or changed.
    private func resolveHeld(
        _ record: TransactionRecord, _ resolution: Resolution
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        let isUndecidable = record.state == .needsOperator
        guard record.isHeld || isUndecidable else {
            return .refused("Nothing is decided yet; it can be rolled back.")
        }
        guard !isUndecidable || resolution.isForced else {
            return .refused(
                "What decides it is gone, and either end could be the wrong one; it has to be forced."
            )
        }
        guard resolution.action == .rolledBack || resolution.isForced else {
            return .refused("Nothing says that it was decided to commit; it has to be forced.")
        }
        return try await write(
            resolution, found: "undecided", record, .decision(resolution.action.decision))
    }

    /// A row that is finished, and a prepared transaction that is there all the same: its participant
    /// was restored to an earlier time.
    private func resolveResurrected(
        _ record: TransactionRecord, _ found: ReportedTransaction, _ resolution: Resolution
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        guard found.isOurs else { return .refused("\(found.reason). \(found.remedy)") }
        guard resolution.action.decision == record.decision || resolution.isForced else {
            return .refused("This contradicts the decision; it has to be forced.")
        }
        let answer = try await write(resolution, found: found.reason, record, .note)
        guard case .recorded = answer else { return answer }
        let report = await participants.end(
            FinishRequest(
                participant: found.participant, gid: found.gid,
                decision: resolution.action.decision, evidence: nil, fence: .none))
        if let error = report.error { return .pending(error) }
        reported[found.gid] = nil
        return .ended
    }

    /// A prepared transaction without a row: it gets one, decided, and is ended as any other.
    private func resolveRowless(
        _ id: GlobalTransactionID, _ resolution: Resolution, _ isExpected: (String?) -> Bool
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        guard let found = reported(id, resolution.branch) else { return .notFound }
        guard isExpected(nil) else { return .changed }
        guard found.isOurs else { return .refused("\(found.reason). \(found.remedy)") }
        guard resolution.action == .rolledBack || resolution.isForced else {
            return .refused("Nothing says that it was decided to commit; it has to be forced.")
        }
        let all = reported.values.filter { $0.isOurs && transaction(of: $0.gid) == id }.sorted {
            $0.gid < $1.gid
        }
        var record = orphanRecord(id, all.map { ($0.participant, $0.gid) })
        record.decision = resolution.action.decision
        let answer = try await write(
            resolution, found: found.reason, record, .insert(resolution.action.decision))
        guard case .recorded = answer else { return answer }
        for entry in all { reported[entry.gid] = nil }
        try await recoverOnce()
        return .ended
    }

    private func write(
        _ resolution: Resolution, found: String, _ record: TransactionRecord,
        _ change: ResolutionChange
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        var resolution = resolution
        resolution.found = found
        guard try await log.resolve(record, resolution, change) else { return .changed }
        logger.warning(
            "an operator resolved a branch",
            metadata: [
                "transaction": "\(record.id)", "branch": "\(resolution.branch)",
                "outcome": "\(resolution.action.rawValue)", "actor": "\(resolution.actor)",
                "forced": "\(resolution.isForced)",
            ])
        if case .decision = change { try await recoverOnce() }
        return .recorded(try await standing(record.id) ?? record)
    }

    /// Ends the branches of a transaction driven here that an operator has resolved.
    func applyResolutions(to id: GlobalTransactionID) async throws(LogUnavailable) {
        guard transactions[id] != nil else { return }
        let resolutions = try await log.resolutions(of: id)
        transactions[id]?.record.resolutions = resolutions
        transactions[id]?.record.resolutionCount = resolutions.count
        for resolution in resolutions {
            guard let transaction = transactions[id], case .finishing = transaction.machine.phase,
                transaction.machine.branches.indices.contains(resolution.branch),
                transaction.machine.branches[resolution.branch].outcome == nil
            else { continue }
            let reply: FinishReply =
                resolution.action == .committed ? .provedCommitted : .provedRolledBack
            deliver(.finished(branch: resolution.branch, reply), to: id)
        }
    }
}

extension Resolution {
    /// What is recorded and says otherwise; nil if nothing does.
    ///
    /// Where a branch ended in a way that nothing proves, the operator's word is all there is.
    fileprivate func contradiction(of decision: Decision, _ outcome: Outcome?) -> String? {
        switch outcome {
        case .heuristicHazard, .heuristicMixed: return nil
        case .heuristicCommit where action == .rolledBack:
            return "It is proved that the branch was committed"
        case .heuristicRollback where action == .committed:
            return "It is proved that the branch was rolled back"
        case nil, .committed, .rolledBack, .heuristicCommit, .heuristicRollback:
            return action.decision == decision
                ? nil : "The decision is \(decision.rawValue)"
        }
    }

    /// What the branch's outcome is called, under a decision.
    func outcome(under decision: Decision) -> Outcome {
        switch (action, decision) {
        case (.committed, .commit): .committed
        case (.rolledBack, .abort): .rolledBack
        case (.committed, .abort): .heuristicCommit
        case (.rolledBack, .commit): .heuristicRollback
        }
    }
}
