import CommitProtocol
import Logging

/// What one pass over the rows has done.
public struct RecoveryPass: Sendable, Hashable {
    /// How many transactions were taken over.
    public let adoptedCount: Int
    /// Whether as many rows were found as are asked for at once: there may be more.
    public let isFull: Bool
}

extension TransactionEngine {
    /// Takes over what no living replica drives, again and again, until the task is cancelled.
    public func recoverContinuously() async {
        while !Task.isCancelled {
            do throws(LogUnavailable) {
                while try await recoverOnce().isFull {}
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

    /// One pass over the rows.
    @discardableResult
    public func recoverOnce() async throws(LogUnavailable) -> RecoveryPass {
        let rows = try await log.claimUnowned(
            limit: limits.claimBatch, known: participants.names,
            active: { await self.activeOrEnded })
        var adoptedCount = 0
        for row in rows where adopt(row) { adoptedCount += 1 }
        if adoptedCount > 0 {
            logger.notice("took transactions over", metadata: ["count": "\(adoptedCount)"])
        }
        try await abortExpired()
        // A row that was not adopted had its place in the answer all the same, and others may have
        // been left out for it. The next claim leaves it out, so no pass answers the same again.
        return RecoveryPass(adoptedCount: adoptedCount, isFull: rows.count == limits.claimBatch)
    }

    private var activeOrEnded: [GlobalTransactionID] {
        Array(transactions.keys) + Array(recentlyEnded.keys)
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
        guard !prepared.isEmpty else { return report([], in: participant) }
        let ids = prepared.compactMap { transaction(of: $0.found.name) }
        // A: who is driven here is asked now, before the rows, and no later answer replaces it.
        let driven = Set(ids.filter { transactions[$0] != nil || recentlyEnded[$0] != nil })
        let rows = ids.isEmpty ? [:] : try await log.standing(of: ids)
        let mark = try await log.lowWaterMark()
        let again = try await participants.prepared(in: participant)
        let still = Set(again.map(\.found.name))
        // What was prepared before the server or its timeline changed is reported if it has no row,
        // as if its row might have been removed.
        let graceSeconds = Double(limits.orphanGrace.milliseconds) / 1000
        var reasons: [String: String] = [:]
        for isFromBefore in [false, true] {
            let actions = RecoveryPlan.actions(
                prepared: prepared.filter {
                    $0.claim == .ours && $0.isFromBefore == isFromBefore
                }.map(\.found),
                active: { driven.contains($0) }, rows: { rows[$0]?.row ?? .missing },
                preparedAgain: again.map(\.found), installation: log.installation,
                graceSeconds: graceSeconds, lowWaterMark: isFromBefore ? .max : mark)
            for action in actions {
                if let (name, reason) = await take(action, in: participant, isFromBefore, mark) {
                    reasons[name] = reason
                }
            }
        }
        var reports: [ReportedTransaction] = []
        for found in prepared
        where found.found.ageSeconds >= graceSeconds && still.contains(found.found.name) {
            let name = found.found.name
            let reason =
                reasons[name] ?? reasonToReport(found, rows) { driven.contains($0) }
            guard let reason else { continue }
            let id = transaction(of: name)
            let mayHaveLostRow = found.isFromBefore || id.map { $0.number < mark } ?? false
            reports.append(
                ReportedTransaction(
                    participant: participant, gid: name, reason: reason,
                    remedy: found.remedy(
                        id, id.flatMap { rows[$0] }, mayHaveLostRow: mayHaveLostRow),
                    owner: found.owner, database: found.database,
                    preparedAt: clock.wallTime - Timestamp(found.found.ageSeconds * 1_000_000),
                    isOurs: found.claim == .ours))
        }
        report(reports, in: participant)
    }

    func transaction(of name: String) -> GlobalTransactionID? {
        switch PreparedTransactionName.ownership(of: name, installation: log.installation) {
        case .ours(let id, _): id
        case .foreign: nil
        }
    }

    /// Does what a pass has found to do; answers a name with a reason if that is an operator's.
    private func take(
        _ action: RecoveryPlan.Action, in participant: String, _ isFromBefore: Bool, _ mark: Int64
    ) async -> (name: String, reason: String)? {
        switch action {
        case .adopt:
            // The next pass over the rows claims it; only a claim may be acted on.
            return nil
        case .tombstone(let id, _, let name):
            let row = orphanRecord(id, [(participant, name)])
            // Whoever wins on the primary key is obeyed. The row is left to the pass over the rows, also
            // if our abort is in it: an acceptance may have landed there meanwhile, with more branches
            // than were found here.
            switch await log.tombstone(row) {
            case .decided, .delegated, .unknown: break
            case .missing:
                return (name, "its number belongs to another transaction")
            }
            return nil
        case .end(let id, _, let name, .abort):
            await endResurrected(id, name, participant)
            return nil
        case .end(_, _, let name, .commit):
            return (name, "its row says that it was committed, and finished")
        case .report(let name):
            let reason =
                isFromBefore
                ? "it has no row, and is from before the participant's server or timeline changed"
                : mark == .max
                    ? "it has no row, and the state database may have lost it"
                    : "its row may have been removed"
            return (name, reason)
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
            guard try await log.confirmedRecord(id)?.decision == .abort, transactions[id] == nil
            else { return }
        } catch {
            return
        }
        let report = await participants.end(
            FinishRequest(
                participant: participant, gid: name, decision: .abort, evidence: nil,
                fence: .formerIncarnations))
        logger.notice(
            "rolled back a branch that was prepared late",
            metadata: ["gid": "\(name)", "reply": "\(report.reply)"])
    }

    func orphanRecord(
        _ id: GlobalTransactionID, _ branches: [(participant: String, gid: String)]
    ) -> TransactionRecord {
        let now = clock.wallTime
        var record = TransactionRecord(
            id: id, principal: "", idempotency: nil, isolation: .readCommitted, labels: [],
            owner: log.replica, epoch: log.epoch, acceptedAt: now, deadline: now,
            state: .aborting,
            branches: branches.map { BranchRecord(participant: $0.participant, gid: $0.gid) })
        record.decision = .abort
        record.decidedAt = now
        return record
    }

    /// Drives a row from now on; false if that is done here already.
    private func adopt(_ row: TransactionRecord) -> Bool {
        // Accepted here after the claim was sent, or ended here before it was answered.
        guard transactions[row.id] == nil, recentlyEnded[row.id] == nil else { return false }
        transactions[row.id] = ActiveTransaction(
            machine: Coordinator(transaction: row.id, commitModes: row.branches.map(\.commitMode)),
            record: row, work: [], order: .parallel,
            sessions: Array(repeating: nil, count: row.branches.count),
            reports: Array(repeating: nil, count: row.branches.count),
            fences: Array(repeating: .formerIncarnations, count: row.branches.count), deadline: 0)
        let recovered = RecoveredTransaction(
            decision: row.decision, isDelegated: row.isDelegated,
            branches: row.branches.map {
                RecoveredBranch(evidence: $0.evidence, outcome: $0.outcome)
            })
        transactions[row.id]?.notedHeuristics = row.heuristicCount
        transactions[row.id]?.loggedHeuristics = row.heuristicBranches
        deliver(.adopt(recovered), to: row.id)
        if row.resolutionCount > 0 { Task { try? await applyResolutions(to: row.id) } }
        return true
    }

    func pause(_ duration: Duration) async {
        let clock = clock
        await withCheckedContinuation { continuation in
            _ = clock.schedule(after: duration) { continuation.resume() }
        }
    }
}
