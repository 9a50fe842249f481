import CommitProtocol
import Logging

/// Branches that are not prepared: their sessions are held until they have ended.
extension TransactionEngine {
    /// Has the register commit its own transaction, once.
    func commitLocally(_ branch: Int, _ id: GlobalTransactionID) {
        guard let drive = drives[id], let session = drive.sessions[branch] else {
            preconditionFailure("the register's session is held until it has ended")
        }
        prepareOutcome(.commit, drive)
        let entry = journalEntry(branch, drive)
        spawn { engine in engine.registered(await session.commit(entry), branch, id) }
    }

    /// What the journal keeps; nil for a branch that is a register without one.
    private func journalEntry(_ branch: Int, _ drive: Drive) -> JournalEntry? {
        guard drive.record.branches[branch].ending == .journal else { return nil }
        // Only a key can ask for the results again.
        let isWanted = drive.record.idempotency != nil && !drive.record.areResultsOmitted
        return JournalEntry(
            transaction: drive.record.id, evidence: drive.machine.branches.map(\.evidence),
            results: isWanted ? drive.record.results : nil)
    }

    private func registered(_ report: CommitReport, _ branch: Int, _ id: GlobalTransactionID) {
        drives[id]?.sessions[branch] = nil
        switch report.reply {
        case .committed: break
        case .rolledBack:
            guard let drive = drives[id] else { return }
            drive.reports[branch] = WorkReport(
                reply: .refused, results: [], failure: report.failure,
                session: drive.reports[branch]?.session)
            if let failure = report.failure { drive.work[branch].onRefusal?(failure) }
        case .unknown: fenceSession(branch, id)
        }
        deliver(.registered(report.reply), to: id)
    }

    /// Asks the register, after what it holds open here has been let go of.
    func askRegister(_ branch: Int, _ id: GlobalTransactionID) {
        spawn { engine in
            _ = await engine.letGo(branch, id)
            guard let drive = engine.drives[id] else { return }
            let report = await engine.participants.ask(
                Self.question(about: branch, drive.view, drive.fences[branch]))
            engine.note(report, branch, id)
            engine.deliver(.registerAnswered(report.answer), to: id)
        }
    }

    private static func question(
        about branch: Int, _ record: TransactionRecord, _ fence: Fence
    ) -> RegisterOrder {
        let found = record.branches[branch]
        return RegisterOrder(
            participant: found.participant, transaction: record.id, branch: branch,
            register: found.ending == .journal
                ? .journal(record.journal) : .transactionStatus(found.evidence),
            fence: fence)
    }

    /// What the register of an undecided row that another replica drives is seen to hold, and the
    /// row with it.
    func look(
        at row: TransactionRecord
    ) async -> (sight: DecisionInquiry.Sight, row: TransactionRecord, reason: String) {
        guard let branch = row.branches.firstIndex(where: \.ending.isRegister) else {
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
    func sight(of row: TransactionRecord) -> DecisionInquiry.Row {
        let isOwn =
            drives[row.id] != nil && row.owner == log.replica && row.epoch == log.epoch
        return DecisionInquiry.Row(
            decision: row.decision,
            isSettled: row.finishedAt != nil || row.isHeld || row.state == .needsOperator,
            namesRegister: !isOwn && (row.journal != nil || row.isDelegated))
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

    private func note(_ report: RegisterReport, _ branch: Int, _ id: GlobalTransactionID) {
        if let error = report.error { drives[id]?.record.branches[branch].lastError = error }
        if let results = report.results, drives[id]?.record.results == nil {
            drives[id]?.record.results = results
        }
    }

    /// Tells a session to end what it holds.
    func releaseHeld(_ branch: Int, _ decision: Decision, _ id: GlobalTransactionID) {
        let session = drives[id]?.sessions[branch]
        spawn { engine in
            let report =
                await session?.finish(decision)
                ?? EndReport(.tryAgain, error: "its session is not held")
            engine.drives[id]?.sessions[branch] = nil
            if report.reply == .tryAgain { engine.fenceSession(branch, id) }
            engine.ended(report, branch, id)
        }
    }

    /// Ends what might still be open or prepared, behind the fence.
    func fenceAndRollBack(_ branch: Int, _ id: GlobalTransactionID) {
        spawn { engine in
            let wasLetGo = await engine.letGo(branch, id)
            guard let drive = engine.drives[id] else { return }
            if wasLetGo {
                engine.deliver(.finished(branch: branch, .done), to: id)
            } else {
                engine.end(branch, .abort, drive.fences[branch], drive)
            }
        }
    }

    /// Rolls back what a session still holds, and says whether it did.
    ///
    /// A session that cannot be told is left to the fence.
    private func letGo(_ branch: Int, _ id: GlobalTransactionID) async -> Bool {
        guard let drive = drives[id], let session = drive.sessions[branch],
            drive.reports[branch] != nil
        else { return false }
        drives[id]?.sessions[branch] = nil
        let report = await session.finish(.abort)
        guard report.reply == .tryAgain else { return true }
        fenceSession(branch, id)
        return false
    }

    private func fenceSession(_ branch: Int, _ id: GlobalTransactionID) {
        guard let session = drives[id]?.reports[branch]?.session else { return }
        drives[id]?.fences[branch] = .session(session)
    }
}

extension TransactionRecord {
    /// Whether a decision is known, or that nobody but an operator can tell it.
    var isDecided: Bool { decision != nil || state == .needsOperator }
}
