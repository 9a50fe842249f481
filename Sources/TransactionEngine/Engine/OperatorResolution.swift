import CommitProtocol
import EventLoop
import Logging

/// Takes an operator's word for branches that could not be finished, or could not be proved.
@LoopActor
final class OperatorResolution {
    private let context: EngineContext
    private let driver: TransactionDriver
    private let status: StatusReader
    private let recovery: RecoveryService
    private let scanner: ParticipantScanner

    init(
        _ context: EngineContext, driver: TransactionDriver, status: StatusReader,
        recovery: RecoveryService, scanner: ParticipantScanner
    ) {
        self.context = context
        self.driver = driver
        self.status = status
        self.recovery = recovery
        self.scanner = scanner
    }

    /// Records a resolution and acts on it.
    ///
    /// `isExpected` is asked about the version of the status that the operator has seen; nil stands
    /// for a prepared transaction without a row. What contradicts the recorded decision, or the proof
    /// of a finish against it, has to be forced.
    func resolve(
        _ id: GlobalTransactionID, _ resolution: Resolution,
        isExpected: @Sendable (String?) -> Bool
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        try await waitUntilRecorded(id)
        guard let record = try await status.decidedView(of: id) else {
            return try await resolveRowless(id, resolution, isExpected: isExpected)
        }
        guard isExpected(record.version) else { return .changed }
        if let found = scanner.reported(id, resolution.branch), record.finishedAt != nil {
            return try await resolveResurrected(record, found: found, resolution)
        }
        guard record.branches.indices.contains(resolution.branch) else {
            return .refused("The transaction has no branch \(resolution.branch).")
        }
        guard let decision = record.decision else {
            return try await resolveUndecided(record, resolution)
        }
        let outcome = record.branches[resolution.branch].outcome
        if let reason = resolution.contradiction(of: decision, outcome), !resolution.isForced {
            return .refused(
                "\(reason), which this resolution contradicts. Use force to record it anyway.")
        }
        if record.finishedAt == nil {
            return try await resolveUnfinished(record, resolution)
        }
        guard let outcome, !outcome.isAsDecided else {
            return .refused("The branch is finished as decided; there is nothing to resolve.")
        }
        var after = record
        after.branches[resolution.branch].outcome = resolution.outcome(under: decision)
        let open = after.branches.indices.filter {
            after.branches[$0].outcome?.isAsDecided != true
        }
        let state: TransactionState =
            !open.isEmpty ? .needsOperator : decision == .commit ? .committed : .aborted
        let resolved = record.statedBranches.union([resolution.branch])
        let change = ResolutionChange.outcome(
            resolution.outcome(under: decision), state, isLast: resolved.isSuperset(of: open))
        return try await write(resolution, found: outcome.rawValue, in: record, changing: change)
    }

    /// Waits until the finish record is durable, because a resolution changes the row.
    private func waitUntilRecorded(_ id: GlobalTransactionID) async throws(LogUnavailable) {
        let end = context.clock.milliseconds + 2000
        while context.table.isRecording(id) {
            let left = end - context.clock.milliseconds
            guard left > 0 else { throw LogUnavailable("its finish is not recorded yet") }
            await context.table.waitForFinishRecord(of: id, within: .milliseconds(left))
        }
    }

    /// A branch that waits, because its server is not the one that it was or will never answer again.
    ///
    /// It is finished on the operator's word alone, so that has to be forced. The replica that
    /// coordinates the transaction is woken and reads what is recorded; so does a replica that takes
    /// it over.
    private func resolveUnfinished(
        _ record: TransactionRecord, _ resolution: Resolution
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        if let outcome = record.branches[resolution.branch].outcome {
            return .refused(
                outcome.isAsDecided
                    ? "The branch is finished as decided; there is nothing to resolve."
                    : "The branch is finished as \(outcome.rawValue), but other branches are not. "
                        + "Resolve it when they are finished or resolved.")
        }
        guard resolution.isForced else {
            return .refused(
                "tandem is still trying to finish the branch. Wait, or use force to record an outcome "
                    + "without proof.")
        }
        let answer = try await write(
            resolution, found: record.branches[resolution.branch].lastError ?? "unfinished",
            in: record,
            changing: .note)
        guard case .recorded = answer else { return answer }
        await context.signals.send(.resolved(record.id))
        try await driver.applyResolutions(to: record.id)
        guard let now = try await status.decidedView(of: record.id) else { return .notFound }
        return .recorded(now)
    }

    /// An undecided row that may have been decided before the state database changed, or whose
    /// commit point is gone or changed.
    private func resolveUndecided(
        _ record: TransactionRecord, _ resolution: Resolution
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        let isUndecidable = record.state == .needsOperator
        guard record.isHeld || isUndecidable else {
            return .refused("The transaction is not decided yet; use POST .../rollback instead.")
        }
        guard !isUndecidable || resolution.isForced else {
            return .refused(
                "Nothing proves what was decided, so either outcome may be wrong. Use force."
            )
        }
        guard resolution.action == .rolledBack || resolution.isForced else {
            return .refused(Self.nothingSaysCommit)
        }
        return try await write(
            resolution.asOrder, found: "undecided", in: record,
            changing: .decision(resolution.action.decision))
    }

    private static let nothingSaysCommit =
        "Nothing shows that the decision was to commit. Use force to commit anyway."

    /// A finished row, and a branch that is prepared all the same: its participant was restored to
    /// an earlier time.
    private func resolveResurrected(
        _ record: TransactionRecord, found: ReportedTransaction, _ resolution: Resolution
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        guard found.isOurs else { return .refused("\(found.reason). \(found.remedy)") }
        guard resolution.action.decision == record.decision || resolution.isForced else {
            return .refused(
                "This resolution contradicts the decision. Use force to record it anyway.")
        }
        let answer = try await write(
            resolution.asOrder, found: found.reason, in: record, changing: .note)
        guard case .recorded = answer else { return answer }
        let report = await context.participants.finish(
            FinishRequest(
                participant: found.participant, gid: found.gid,
                decision: resolution.action.decision, evidence: nil, fence: .none))
        if let error = report.error { return .pending(error) }
        scanner.forget([found.gid])
        return .ended
    }

    /// A prepared transaction without a row: it gets a decided one, and is finished like any other.
    private func resolveRowless(
        _ id: GlobalTransactionID, _ resolution: Resolution, isExpected: (String?) -> Bool
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        guard let found = scanner.reported(id, resolution.branch) else { return .notFound }
        guard isExpected(nil) else { return .changed }
        guard found.isOurs else { return .refused("\(found.reason). \(found.remedy)") }
        guard resolution.action == .rolledBack || resolution.isForced else {
            return .refused(Self.nothingSaysCommit)
        }
        let all = scanner.reportedBranches(of: id)
        var record = TransactionRecord(
            orphan: id, all.map { ($0.participant, $0.gid) }, context.log,
            at: context.clock.wallTime)
        record.decision = resolution.action.decision
        let answer = try await write(
            resolution.asOrder, found: found.reason, in: record,
            changing: .insert(resolution.action.decision))
        guard case .recorded = answer else { return answer }
        scanner.forget(all.map(\.gid))
        try await recovery.recoverOnce()
        return .ended
    }

    private func write(
        _ resolution: Resolution, found: String, in record: TransactionRecord,
        changing change: ResolutionChange
    ) async throws(LogUnavailable) -> ResolutionAnswer {
        var resolution = resolution
        resolution.found = found
        guard try await context.log.resolve(record, by: resolution, changing: change) else {
            return .changed
        }
        context.logger.warning(
            "an operator resolved a branch",
            metadata: record.logged(with: [
                "branch": "\(resolution.branch)", "outcome": "\(resolution.action.rawValue)",
                "actor": "\(resolution.actor)", "forced": "\(resolution.isForced)",
            ]))
        if case .decision = change { try await recovery.recoverOnce() }
        return .recorded(try await status.decidedView(of: record.id) ?? record)
    }
}

extension Resolution {
    fileprivate var asOrder: Resolution {
        var order = self
        order.isOrder = true
        return order
    }

    /// What is recorded and says otherwise; nil if nothing does.
    ///
    /// Where nothing proves how a branch was finished, the operator's word is all there is.
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

    /// The branch's outcome that this stands for, under a decision.
    func outcome(under decision: Decision) -> Outcome {
        switch (action, decision) {
        case (.committed, .commit): .committed
        case (.rolledBack, .abort): .rolledBack
        case (.committed, .abort): .heuristicCommit
        case (.rolledBack, .commit): .heuristicRollback
        }
    }
}
