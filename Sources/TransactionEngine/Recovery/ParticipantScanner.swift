import CommitProtocol
import EventLoop
import Logging

/// Compares each participant's prepared transactions with the rows, finishes what has no owner, and
/// reports to operators what it must not touch.
@LoopActor
final class ParticipantScanner {
    private let context: EngineContext
    /// Prepared transactions that are left to an operator, by gid.
    private var reported: [String: ReportedTransaction] = [:]
    /// The participants of which a scan has gone through.
    private(set) var scanned: Set<String> = []

    init(_ context: EngineContext) {
        self.context = context
    }

    /// Scans a participant again and again until the task is cancelled.
    func scanContinuously(_ participant: String) async {
        while !Task.isCancelled {
            do {
                try await scan(participant)
            } catch let error as ParticipantUnreachable {
                context.ports.report(.scanFailed(participant: participant))
                context.logger.debug(
                    "cannot scan for orphans: the participant is unreachable",
                    metadata: ["participant": "\(participant)", "reason": "\(error.reason)"])
            } catch {
                context.ports.report(.scanFailed(participant: participant))
                context.logger.warning(
                    "the scan failed",
                    metadata: ["participant": "\(participant)", "error": "\(error)"])
            }
            await context.clock.pause(context.limits.scanInterval)
        }
    }

    // MARK: One scan

    /// What one scan has read, in the order P, A, T, Q of `RecoveryPlan`.
    private struct Findings {
        let participant: String
        /// P: the prepared transactions.
        let prepared: [PreparedTransaction]
        /// A: those of them that this replica answered for before the rows were read.
        let active: Set<GlobalTransactionID>
        /// T: the rows.
        let rows: [GlobalTransactionID: RowStanding]
        let lowWaterMark: Int64
        /// Q: the prepared transactions, once more.
        let preparedAgain: [PreparedTransaction]
    }

    /// Scans a participant once.
    func scan(_ participant: String) async throws {
        let prepared = try await context.participants.preparedTransactions(in: participant)
        guard !prepared.isEmpty else { return report([], orphanCount: 0, in: participant) }
        let ids = prepared.compactMap { transaction(of: $0.found.name) }
        // A is taken now, before the rows, and no later answer replaces it.
        let active = Set(ids.filter(context.table.contains))
        let findings = Findings(
            participant: participant, prepared: prepared, active: active,
            rows: ids.isEmpty ? [:] : try await context.log.standing(of: ids),
            lowWaterMark: try await context.log.lowWaterMark(),
            preparedAgain: try await context.participants.preparedTransactions(in: participant))
        var reasons: [String: String] = [:]
        var orphanCount = 0
        for isFromBefore in [false, true] {
            for action in actions(findings, isFromBefore: isFromBefore) {
                if case .adopt = action {} else { orphanCount += 1 }
                if let (name, reason) = await take(action, on: findings, isFromBefore: isFromBefore)
                {
                    reasons[name] = reason
                }
            }
        }
        report(reports(findings, reasons), orphanCount: orphanCount, in: participant)
    }

    /// Decides what to do about our prepared transactions.
    ///
    /// Those from before the server or its timeline changed are reported if they have no row, as if
    /// retention might have removed it.
    private func actions(_ findings: Findings, isFromBefore: Bool) -> [RecoveryPlan.Action] {
        RecoveryPlan.actions(
            prepared: findings.prepared.filter {
                $0.claim == .ours && $0.isFromBefore == isFromBefore
            }.map(\.found),
            active: { findings.active.contains($0) },
            rows: { findings.rows[$0]?.row ?? .missing },
            preparedAgain: findings.preparedAgain.map(\.found),
            installation: context.log.installation,
            graceSeconds: graceSeconds,
            lowWaterMark: isFromBefore ? .max : findings.lowWaterMark)
    }

    private var graceSeconds: Double { Double(context.limits.orphanGrace.milliseconds) / 1000 }

    /// Takes an action; returns a gid with the reason if it is left to an operator.
    private func take(
        _ action: RecoveryPlan.Action, on findings: Findings, isFromBefore: Bool
    ) async -> (name: String, reason: String)? {
        switch action {
        case .adopt:
            // The next pass over the rows claims it; only a claim may be acted on.
            return nil
        case .tombstone(let id, _, let name):
            let row = TransactionRecord(
                orphan: id, [(findings.participant, name)], context.log, at: context.clock.wallTime)
            // The row is obeyed, whichever replica inserted it. It is left to the pass over the rows
            // even if our abort is in it: an acceptance may have landed there meanwhile, with more branches
            // than were found here.
            let answer = await context.log.perform(LogWrite(.tombstone, of: row))
            if case .decided(.abort, _) = answer {
                context.ports.report(.recovered(.recordedAbort))
            }
            return answer == .missing ? (name, "its number belongs to another transaction") : nil
        case .finish(let id, _, let name, .abort):
            await rollBackResurrected(name, of: id, in: findings.participant)
            return nil
        case .finish(_, _, let name, .commit):
            return (name, "its row says that it was committed, and finished")
        case .report(let name):
            let reason =
                isFromBefore
                ? "it has no row, and is from before the participant's server or timeline changed"
                : findings.lowWaterMark == .max
                    ? "it has no row, and the state database may have lost it"
                    : "its row may have been removed"
            return (name, reason)
        }
    }

    /// Rolls back a gid that appeared after its transaction had been aborted and finished.
    ///
    /// A failure is left to the next scan, which finds it again.
    private func rollBackResurrected(
        _ name: String, of id: GlobalTransactionID, in participant: String
    ) async {
        // The decision was read; only a durable write makes it one to act on.
        guard let row = try? await context.log.confirmedRecord(id), row.decision == .abort,
            context.table[id] == nil
        else { return }
        let report = await context.participants.finish(
            FinishRequest(
                participant: participant, gid: name, decision: .abort, evidence: nil,
                fence: .formerIncarnations))
        if report.reply == .done { context.ports.report(.recovered(.rolledBack)) }
        context.logger.notice(
            "rolled back a branch that was prepared after its transaction was aborted",
            metadata: row.logged(with: [
                "participant": "\(participant)", "gid": "\(name)", "reply": "\(report.reply)",
            ]))
    }

    // MARK: What is left to operators

    /// The prepared transactions that both lists show, older than the grace period, which no replica
    /// finishes.
    private func reports(
        _ findings: Findings, _ reasons: [String: String]
    ) -> [ReportedTransaction] {
        let still = Set(findings.preparedAgain.map(\.found.name))
        return findings.prepared.compactMap { prepared in
            let name = prepared.found.name
            guard prepared.found.ageSeconds >= graceSeconds, still.contains(name),
                let reason = reasons[name] ?? reasonToReport(prepared, findings)
            else { return nil }
            let branch = branch(of: name, findings)
            let id = branch?.transaction
            let mayHaveLostRow =
                prepared.isFromBefore || id.map { $0.number < findings.lowWaterMark } ?? false
            return ReportedTransaction(
                participant: findings.participant, gid: name, reason: reason,
                remedy: prepared.remedy(
                    id, id.flatMap { findings.rows[$0] }, mayHaveLostRow: mayHaveLostRow),
                owner: prepared.owner, database: prepared.database,
                preparedAt: context.clock.wallTime
                    - Timestamp(prepared.found.ageSeconds * 1_000_000),
                isOurs: prepared.claim == .ours, branch: branch)
        }
    }

    /// Why a prepared transaction stays although the scan does nothing about it; nil if a replica
    /// finishes it.
    ///
    /// Another living replica's row is that replica's affair: it may work in the participant as the
    /// role that prepared, and reports the transaction if it does not.
    private func reasonToReport(_ found: PreparedTransaction, _ findings: Findings) -> String? {
        guard let id = transaction(of: found.found.name) else {
            return "its name has tandem's prefix, but not the form that tandem gives"
        }
        let row = findings.rows[id]
        switch found.claim {
        case .ours:
            guard let row, !row.gids.contains(found.found.name), row.row == .owned else {
                return nil
            }
            return "the record of its transaction names no such branch"
        case .otherRole, .otherDatabase:
            if row?.row == .owned, !findings.active.contains(id) { return nil }
            return found.claim == .otherRole
                ? "role \"\(found.owner)\" prepared it, and this replica uses another role there"
                : "it is in database \"\(found.database)\", which this replica does not use, or not as "
                    + "role \"\(found.owner)\""
        }
    }

    /// Replaces what is reported of one participant; logs what is new, in at most ten lines.
    private func report(
        _ found: [ReportedTransaction], orphanCount: Int, in participant: String
    ) {
        let new = found.filter { reported[$0.gid] == nil }
        for entry in new.prefix(10) {
            context.logger.error(
                "a prepared transaction is left to an operator",
                metadata: [
                    "gid": "\(entry.gid)", "participant": "\(participant)",
                    "reason": "\(entry.reason)", "owner": "\(entry.owner)",
                    "database": "\(entry.database)", "remedy": "\(entry.remedy)",
                    "ageSeconds": "\((context.clock.wallTime - entry.preparedAt) / 1_000_000)",
                ])
        }
        if new.count > 10 {
            context.logger.error(
                "more prepared transactions are left to an operator; see /v1/participants",
                metadata: ["participant": "\(participant)", "count": "\(new.count - 10)"])
        }
        scanned.insert(participant)
        reported = reported.filter { $1.participant != participant }
        for entry in found { reported[entry.gid] = entry }
        context.ports.report(
            .scanned(
                ParticipantScan(
                    participant: participant, orphanCount: orphanCount,
                    reportedCount: found.count)))
    }

    /// What is left to an operator in one participant.
    func reported(in participant: String) -> [ReportedTransaction] {
        reported.values.filter { $0.participant == participant }.sorted { $0.gid < $1.gid }
    }

    /// What is left to an operator of one branch.
    func reported(_ id: GlobalTransactionID, _ branch: Int) -> ReportedTransaction? {
        reported.values.first { entry in
            PreparedTransactionName.ownership(of: entry.gid, installation: context.log.installation)
                == .ours(id, branch: branch)
        }
    }

    /// What is left to an operator of one transaction, as far as a resolution may finish it.
    func reportedBranches(of id: GlobalTransactionID) -> [ReportedTransaction] {
        reported.values.filter { $0.isOurs && transaction(of: $0.gid) == id }
            .sorted { $0.gid < $1.gid }
    }

    /// Drops reports that an operator has resolved.
    func forget(_ gids: [String]) {
        for gid in gids { reported[gid] = nil }
    }

    private func branch(
        of name: String, _ findings: Findings
    ) -> ReportedTransaction.Branch? {
        switch PreparedTransactionName.ownership(of: name, installation: context.log.installation) {
        case .ours(let id, let number):
            ReportedTransaction.Branch(
                transaction: id, number: number, hasRow: findings.rows[id] != nil)
        case .foreign: nil
        }
    }

    private func transaction(of name: String) -> GlobalTransactionID? {
        switch PreparedTransactionName.ownership(of: name, installation: context.log.installation) {
        case .ours(let id, _): id
        case .foreign: nil
        }
    }
}
