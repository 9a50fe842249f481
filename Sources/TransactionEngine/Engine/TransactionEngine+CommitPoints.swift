import CommitProtocol
import Logging

/// Branches that are not prepared: their sessions are held until they have ended.
extension TransactionEngine {
    /// Has the register commit its own transaction, once.
    func commitLocally(_ branch: Int, _ id: GlobalTransactionID) {
        guard let transaction = transactions[id], let session = transaction.sessions[branch] else {
            preconditionFailure("the register's session is held until it has ended")
        }
        prepareOutcome(.commit, transaction)
        let entry = journalEntry(branch, transaction)
        spawn { engine in engine.localCommitAnswered(await session.commit(entry), branch, id) }
    }

    /// What the journal keeps; nil for a branch that is a register without one.
    private func journalEntry(_ branch: Int, _ transaction: ActiveTransaction) -> JournalEntry? {
        guard transaction.record.branches[branch].commitMode == .journal else { return nil }
        // Only a key can ask for the results again.
        let isWanted =
            transaction.record.idempotency != nil && !transaction.record.areResultsOmitted
        return JournalEntry(
            transaction: transaction.record.id,
            evidence: transaction.machine.branches.map(\.evidence),
            results: isWanted ? transaction.record.results : nil)
    }

    private func localCommitAnswered(
        _ report: LocalCommitReport, _ branch: Int, _ id: GlobalTransactionID
    ) {
        transactions[id]?.sessions[branch] = nil
        switch report.reply {
        case .committed: break
        case .rolledBack:
            guard let transaction = transactions[id] else { return }
            transaction.reports[branch] = WorkReport(
                reply: .refused, results: [], failure: report.failure,
                session: transaction.reports[branch]?.session)
            if let failure = report.failure { transaction.work[branch].onRefusal?(failure) }
        case .unknown: fenceSession(branch, id)
        }
        deliver(.localCommitAnswered(report.reply), to: id)
    }

    /// Asks the register, after what it holds open here has been let go of.
    func queryCommitPoint(_ branch: Int, _ id: GlobalTransactionID) {
        spawn { engine in
            _ = await engine.rollBackHeldSession(branch, id)
            guard let transaction = engine.transactions[id] else { return }
            let report = await engine.participants.ask(
                Self.question(about: branch, transaction.view, transaction.fences[branch]))
            engine.note(report, branch, id)
            engine.deliver(.commitPointAnswered(report.answer), to: id)
        }
    }

    private static func question(
        about branch: Int, _ record: TransactionRecord, _ fence: Fence
    ) -> CommitPointQuery {
        let found = record.branches[branch]
        return CommitPointQuery(
            participant: found.participant, transaction: record.id, branch: branch,
            commitPoint: found.commitMode == .journal
                ? .journal(record.journal) : .transactionStatus(found.evidence),
            fence: fence)
    }

    /// What the register of an undecided row that another replica drives is seen to hold, and the
    /// row with it.
    func look(
        at row: TransactionRecord
    ) async -> (reading: DecisionInquiry.Reading, row: TransactionRecord, reason: String) {
        guard let branch = row.branches.firstIndex(where: \.commitMode.isCommitPoint) else {
            return (.nothing, row, "")
        }
        switch await participants.look(Self.question(about: branch, row, .none)) {
        case .holds(let decision, let evidence, let results):
            return (.holds(decision), self.row(row, decided: decision, evidence, results), "")
        case .nothing: return (.nothing, row, "")
        case .unknown(let reason), .unprovable(let reason):
            let name = row.branches[branch].participant
            return (.silent, row, "\(name) holds the decision, and does not tell it: \(reason).")
        }
    }

    /// What the row says of its decision; where this life owns it, nobody else has asked a register.
    func reading(of row: TransactionRecord) -> DecisionInquiry.Row {
        let isOwn =
            transactions[row.id] != nil && row.owner == log.replica && row.epoch == log.epoch
        return DecisionInquiry.Row(
            decision: row.decision,
            isSettled: row.finishedAt != nil || row.isHeld || row.state == .needsOperator,
            namesCommitPoint: !isOwn && (row.journal != nil || row.isDelegated))
    }

    private func row(
        _ row: TransactionRecord, decided decision: Decision, _ evidence: [PreparedEvidence?],
        _ results: [UInt8]?
    ) -> TransactionRecord {
        var row = row
        row.decision = decision
        row.state = decision == .commit ? .committing : .aborting
        for (index, found) in evidence.enumerated() where row.branches.indices.contains(index) {
            row.branches[index].evidence = row.branches[index].evidence ?? found
        }
        if decision == .commit { row.results = row.results ?? results }
        return row
    }

    private func note(_ report: CommitPointReport, _ branch: Int, _ id: GlobalTransactionID) {
        if let error = report.error { transactions[id]?.record.branches[branch].lastError = error }
        if let results = report.results, transactions[id]?.record.results == nil {
            transactions[id]?.record.results = results
        }
    }

    /// Tells a session to end what it holds.
    func releaseHeld(_ branch: Int, _ decision: Decision, _ id: GlobalTransactionID) {
        let session = transactions[id]?.sessions[branch]
        spawn { engine in
            let report =
                await session?.finish(decision)
                ?? FinishReport(.tryAgain, error: "its session is not held")
            engine.transactions[id]?.sessions[branch] = nil
            if report.reply == .tryAgain { engine.fenceSession(branch, id) }
            engine.ended(report, branch, id)
        }
    }

    /// Ends what might still be open or prepared, behind the fence.
    func fenceAndRollBack(_ branch: Int, _ id: GlobalTransactionID) {
        spawn { engine in
            let wasLetGo = await engine.rollBackHeldSession(branch, id)
            guard let transaction = engine.transactions[id] else { return }
            if wasLetGo {
                engine.deliver(.finished(branch: branch, .done), to: id)
            } else {
                engine.end(branch, .abort, transaction.fences[branch], transaction)
            }
        }
    }

    /// Rolls back what a session still holds, and says whether it did.
    ///
    /// A session that cannot be told is left to the fence.
    private func rollBackHeldSession(_ branch: Int, _ id: GlobalTransactionID) async -> Bool {
        guard let transaction = transactions[id], let session = transaction.sessions[branch],
            transaction.reports[branch] != nil
        else { return false }
        transactions[id]?.sessions[branch] = nil
        let report = await session.finish(.abort)
        guard report.reply == .tryAgain else { return true }
        fenceSession(branch, id)
        return false
    }

    private func fenceSession(_ branch: Int, _ id: GlobalTransactionID) {
        guard let session = transactions[id]?.reports[branch]?.session else { return }
        transactions[id]?.fences[branch] = .session(session)
    }
}

extension TransactionRecord {
    /// Whether a decision is known, or that nobody but an operator can tell it.
    var isDecided: Bool { decision != nil || state == .needsOperator }
}
