import CommitProtocol
import Logging

extension TransactionEngine {
    /// Takes over what no living replica drives, again and again, until the task is cancelled.
    public func recoverContinuously() async {
        while !Task.isCancelled {
            do throws(LogUnavailable) {
                while try await recoverOnce() == limits.claimBatch {}
            } catch {
                logger.warning("recovery waits", metadata: ["reason": "\(error.reason)"])
            }
            await pause(limits.recoveryInterval)
        }
    }

    /// Scans one participant for orphans, again and again, until the task is cancelled.
    public func scanContinuously(_ participant: String) async {
        while !Task.isCancelled {
            do {
                try await scan(participant)
            } catch let error as ParticipantUnreachable {
                logger.debug(
                    "the scan waits",
                    metadata: ["participant": "\(participant)", "reason": "\(error.reason)"])
            } catch {
                logger.warning(
                    "the scan failed",
                    metadata: ["participant": "\(participant)", "error": "\(error)"])
            }
            await pause(limits.scanInterval)
        }
    }

    /// One pass over the rows; answers how many were taken over.
    @discardableResult
    public func recoverOnce() async throws(LogUnavailable) -> Int {
        let rows = try await log.claimUnowned(
            limit: limits.claimBatch, driven: Array(drives.keys) + Array(recentlyEnded.keys))
        for row in rows { adopt(row) }
        if !rows.isEmpty {
            logger.notice("took transactions over", metadata: ["count": "\(rows.count)"])
        }
        try await abortExpired()
        return rows.count
    }

    /// Aborts what other living replicas left undecided past its deadline (AC5).
    ///
    /// The owner ends the branches: it obeys the row, and is woken. Should it die, its rows are
    /// claimed as any others.
    private func abortExpired() async throws(LogUnavailable) {
        for var row in try await log.expired(limit: limits.claimBatch) {
            row.decidedAt = clock.wallTime
            row.problem = encoding.problem(row, .deadlinePassed, nil)
            guard case .decided(.abort, _) = await log.decide(.abort, row) else { continue }
            logger.notice(
                "aborted another replica's transaction past its deadline",
                metadata: ["transaction": "\(row.id)", "owner": "\(row.owner)"])
            await signals.send(.rollBack(row.id))
        }
    }

    /// One pass over a participant, in the order P, A, T, Q; see `RecoveryPlan`.
    public func scan(_ participant: String) async throws {
        let prepared = try await participants.prepared(in: participant)
        let ids = prepared.compactMap { transaction(of: $0.found.name) }
        guard !ids.isEmpty else { return }
        // A: who is driven here is asked now, before the rows, and no later answer replaces it.
        let driven = Set(ids.filter { drives[$0] != nil || recentlyEnded[$0] != nil })
        let rows = try await log.standing(of: ids)
        let mark = try await log.lowWaterMark()
        let again = try await participants.prepared(in: participant)
        // What was prepared before the server or its timeline changed is reported if it has no row,
        // as if its row might have been removed.
        for isFromBefore in [false, true] {
            let actions = RecoveryPlan.actions(
                prepared: prepared.filter { $0.isFromBefore == isFromBefore }.map(\.found),
                active: { driven.contains($0) }, rows: { rows[$0] ?? .missing },
                preparedAgain: again.map(\.found), installation: log.installation,
                graceSeconds: Double(limits.orphanGrace.milliseconds) / 1000,
                lowWaterMark: isFromBefore ? .max : mark)
            for action in actions { await take(action, in: participant) }
        }
    }

    private func transaction(of name: String) -> GlobalTransactionID? {
        switch PreparedTransactionName.ownership(of: name, installation: log.installation) {
        case .ours(let id, _): id
        case .foreign: nil
        }
    }

    private func take(_ action: RecoveryPlan.Action, in participant: String) async {
        switch action {
        case .adopt:
            // The next pass over the rows claims it; only a claim may be acted on.
            break
        case .tombstone(let id, let branch, let name):
            let row = orphanRecord(id, branch, name, participant)
            // Whoever wins on the primary key is obeyed: anything but our abort is left to the
            // pass over the rows.
            if case .decided(.abort, _) = await log.tombstone(row) { adopt(row) }
        case .end(let id, _, let name, .abort):
            await endResurrected(id, name, participant)
        case .end(let id, _, let name, .commit):
            logger.error(
                "a prepared transaction is still there although its row says it was committed",
                metadata: ["transaction": "\(id)", "gid": "\(name)"])
        case .report(let name):
            logger.error(
                "a prepared transaction's row may have been removed; an operator has to look",
                metadata: ["gid": "\(name)", "participant": "\(participant)"])
        }
    }

    /// Rolls back a gid that appeared after its transaction had been aborted and finished.
    ///
    /// A failure is left to the next scan, which finds it again.
    private func endResurrected(
        _ id: GlobalTransactionID, _ name: String, _ participant: String
    ) async {
        // The decision was read; only a write of one's own makes it one to act on.
        do throws(LogUnavailable) {
            guard try await log.confirmedRecord(id)?.decision == .abort, drives[id] == nil
            else { return }
        } catch {
            return
        }
        let report = await participants.end(
            EndOrder(
                participant: participant, gid: name, decision: .abort, evidence: nil,
                fence: .formerLives))
        logger.notice(
            "rolled back a branch that was prepared late",
            metadata: ["gid": "\(name)", "reply": "\(report.reply)"])
    }

    private func orphanRecord(
        _ id: GlobalTransactionID, _ branch: Int, _ name: String, _ participant: String
    ) -> TransactionRecord {
        let now = clock.wallTime
        var record = TransactionRecord(
            id: id, principal: "", idempotency: nil, isolation: .readCommitted, labels: [],
            owner: log.replica, epoch: log.epoch, acceptedAt: now, deadline: now,
            state: .aborting, branches: [BranchRecord(participant: participant, gid: name)])
        record.decision = .abort
        record.decidedAt = now
        return record
    }

    private func adopt(_ row: TransactionRecord) {
        // Accepted here after the claim was sent, or ended here before it was answered.
        guard drives[row.id] == nil, recentlyEnded[row.id] == nil else { return }
        drives[row.id] = Drive(
            machine: Coordinator(transaction: row.id, branchCount: row.branches.count),
            record: row, work: [], order: .parallel,
            sessions: Array(repeating: nil, count: row.branches.count),
            reports: Array(repeating: nil, count: row.branches.count),
            fences: Array(repeating: .formerLives, count: row.branches.count), deadline: 0)
        let recovered = RecoveredTransaction(
            decision: row.decision,
            branches: row.branches.map {
                RecoveredBranch(evidence: $0.evidence, outcome: $0.outcome)
            })
        deliver(.adopt(recovered), to: row.id)
    }

    func pause(_ duration: Duration) async {
        let clock = clock
        await withCheckedContinuation { continuation in
            _ = clock.schedule(after: duration) { continuation.resume() }
        }
    }
}
