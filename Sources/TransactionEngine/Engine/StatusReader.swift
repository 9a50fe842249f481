import CommitProtocol
import EventLoop

/// Finds out what may be reported of a transaction, whichever replica coordinates it.
///
/// A report must never take back what another replica has reported. `DecisionInquiry` and
/// `FinishInquiry` say what has to be read before a decision or a finish may be reported; this reads it.
///
/// A row becomes a report in two steps: ``decidedView(of:)-(TransactionRecord)`` gives it the decision
/// that may be reported, and ``view(ofDecided:)`` the finish.
@LoopActor
final class StatusReader {
    private let context: EngineContext

    init(_ context: EngineContext) {
        self.context = context
    }

    // MARK: One transaction

    /// What may be reported of a transaction; nil if no row of this principal has the id.
    ///
    /// A principal of nil stands for an operator, who sees every row.
    func view(
        of id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> TransactionRecord? {
        if let known = context.table.record(of: id), !known.isOf(principal) { return nil }
        if let known = try await ownRecord(of: id), known.isDecided {
            return try await withResolutions(view(ofDecided: known))
        }
        guard let row = try await context.log.record(id), row.isOf(principal) else { return nil }
        // This replica may have taken it over, or finished it, while the row was being read.
        if let known = try await ownRecord(of: id), known.isDecided {
            return try await withResolutions(view(ofDecided: known))
        }
        return try await withResolutions(view(ofDecided: decidedView(of: row)))
    }

    /// A row that was read, with the decision that may be reported; its state may lag behind a finish.
    func decidedView(of row: TransactionRecord) async throws(LogUnavailable) -> TransactionRecord {
        latest(try await readDecision(of: row))
    }

    /// The decision of a transaction, for an operator.
    ///
    /// One that is read from its row has its resolutions, one that is active here those that were applied here.
    func decidedView(
        of id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        if let known = context.table.record(of: id), known.isDecided { return known }
        guard let row = try await context.log.record(id) else { return nil }
        return try await withResolutions(decidedView(of: row))
    }

    /// Like `view(of:principal:)`, but first waits until the transaction is finished, or needs an
    /// operator, at most for `limit`.
    func view(
        of id: GlobalTransactionID, principal: String?, waiting limit: Duration
    ) async throws(LogUnavailable) -> TransactionRecord? {
        let end = context.clock.milliseconds + limit.milliseconds
        var asked: Coordination?
        var pause: Int64 = 50
        while true {
            let left = end - context.clock.milliseconds
            guard left > 0 else { break }
            if let transaction = context.table[id] {
                // A request does not wait for an operator.
                guard transaction.record.isOf(principal),
                    transaction.machine.state != .needsOperator
                else { break }
                await context.table.waitForChange(of: id, within: .milliseconds(left))
                continue
            }
            guard !context.table.isRecording(id), let row = try await context.log.record(id),
                row.isOf(principal), row.finishedAt == nil, row.state != .needsOperator
            else { break }
            if context.table[id] != nil { continue }
            // The owner is asked to signal the finish; a new owner is asked again.
            let coordination = Coordination(owner: row.owner, epoch: row.epoch)
            if asked != coordination {
                asked = coordination
                await context.signals.send(.watch(id))
            }
            await context.table.waitForFinishRecord(of: id, within: .milliseconds(min(left, pause)))
            // The signal may be lost, or no replica may have been there to receive it: then the row
            // has to be read again.
            pause = min(pause * 2, 1000)
        }
        return try await view(of: id, principal: principal)
    }

    private struct Coordination: Equatable {
        let owner: String
        let epoch: Int64
    }

    /// A record with the resolutions that are recorded for it.
    private func withResolutions(
        _ record: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        guard record.resolutionCount > 0 else { return record }
        var record = record
        record.resolutions = try await context.log.resolutions(of: record.id)
        return record
    }

    // MARK: Lists

    /// Rows that match, with what this replica knows beyond them.
    ///
    /// A list never waits for a transaction to progress. Where a decision was just asked for, or a
    /// commit point does not answer, it shows what is recorded; it reads no commit point again that
    /// did not answer.
    func page(_ filter: RecordFilter) async throws(LogUnavailable) -> RecordPage {
        var filter = filter
        filter.examinedMax = max(filter.limit, context.limits.examinedMax)
        let page = try await context.log.records(filter)
        let rows = page.records
        // One durable write, which this UPDATE of any row is, confirms every decision that was read before it.
        if let row = rows.first(where: { isActiveElsewhere($0) && $0.decision != nil }) {
            _ = try await context.log.confirmedRecord(row.id)
        }
        var silent: Set<String> = []
        var records: [TransactionRecord] = []
        for row in rows {
            var known = row
            let commitPoint = row.branches.first(where: \.commitMode.isCommitPoint)?.participant
            if let commitPoint, isActiveElsewhere(row), row.decision == nil,
                !silent.contains(commitPoint)
            {
                do {
                    known = try await readDecision(of: row)
                } catch {
                    guard error.isOutcomeUnknown else { throw error }
                    silent.insert(commitPoint)
                }
            }
            known = latest(known)
            if context.table.isUnrecorded(known) { known = known.beforeFinish ?? row }
            if filter.matches(stateOf: known) { records.append(known) }
        }
        // A row that is known here to be in another state has had its place on the page.
        return RecordPage(records: records, next: page.next)
    }

    // MARK: The decision

    /// Whether another replica may know more of it than its row says.
    private func isActiveElsewhere(_ row: TransactionRecord) -> Bool {
        row.finishedAt == nil && context.table.record(of: row.id) == nil
    }

    /// A row, or what this replica knows beyond it.
    ///
    /// An owner that has not asked for a decision yet does not know of the abort that another
    /// replica may have recorded, and reported.
    private func latest(_ row: TransactionRecord) -> TransactionRecord {
        guard let known = context.table.record(of: row.id), known.isDecided || !row.isDecided else {
            return row
        }
        return known
    }

    /// What this replica knows beyond the row; nil if that is nothing.
    ///
    /// A decision that has been asked for may be durable before its answer arrives, and another
    /// replica may have reported it: "undecided" would take that back. So this waits for the answer.
    private func ownRecord(
        of id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        let end = context.clock.milliseconds + 5000
        while let transaction = context.table[id], transaction.isAccepted,
            transaction.machine.awaitsDecision || transaction.awaitsSuccessor
        {
            let left = end - context.clock.milliseconds
            guard left > 0 else {
                throw LogUnavailable(
                    "The database that decides has not answered yet. Ask again.",
                    isOutcomeUnknown: true)
            }
            await context.table.waitForChange(of: id, within: .milliseconds(left))
        }
        return context.table.record(of: id)
    }

    /// A row with the decision that may be reported.
    private func readDecision(
        of record: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        guard record.finishedAt == nil, !(context.table.record(of: record.id)?.isDecided ?? false)
        else {
            return record
        }
        var (row, failure) = (record, "")
        var inquiry = DecisionInquiry()
        var next = inquiry.read(reading(of: row), isConfirmed: false)
        while true {
            switch next {
            case .report: return row
            case .confirmRow:
                row = try await context.log.confirmedRecord(row.id) ?? row
                next = inquiry.read(reading(of: row), isConfirmed: true)
            case .readRow:
                row = try await context.log.record(row.id) ?? row
                next = inquiry.read(reading(of: row), isConfirmed: false)
            case .readCommitPoint:
                let found = await readCommitPoint(of: row)
                (row, failure) = (found.row, found.failure)
                next = inquiry.read(found.reading)
            case .unknown: throw LogUnavailable(failure, isOutcomeUnknown: true)
            }
        }
    }

    /// What a row says of its decision.
    ///
    /// A commit point may have decided without the row knowing, but not where this incarnation owns
    /// the row: then only this replica asks its commit point, and knows the answer.
    private func reading(of row: TransactionRecord) -> DecisionInquiry.Row {
        let isOwn =
            context.table[row.id] != nil && row.owner == context.log.replica
            && row.epoch == context.log.epoch
        return DecisionInquiry.Row(
            decision: row.decision,
            isSettled: row.finishedAt != nil || row.isHeld || row.state == .needsOperator,
            mustReadCommitPoint: !isOwn && (row.journal != nil || row.isDelegated))
    }

    /// What the commit point of an undecided row holds, and the row with it.
    private func readCommitPoint(
        of row: TransactionRecord
    ) async -> (reading: DecisionInquiry.Reading, row: TransactionRecord, failure: String) {
        guard let branch = row.branches.firstIndex(where: \.commitMode.isCommitPoint) else {
            return (.nothing, row, "")
        }
        let name = row.branches[branch].participant
        switch await context.participants.readCommitPoint(
            CommitPointQuery(about: branch, of: row, fence: .none))
        {
        case .holds(let decision, let evidence, let results):
            return (
                .holds(decision), row.decided(decision, evidence: evidence, results: results), ""
            )
        case .nothing: return (.nothing, row, "")
        case .unknown(let reason):
            return (.silent, row, "\(name) may hold the decision and cannot be read: \(reason).")
        case .unprovable(let reason):
            return (.silent, row, "Nothing in \(name) proves the decision: \(reason).")
        }
    }

    // MARK: The finish

    /// A record whose decision may be reported, with what may be reported of its finish.
    ///
    /// The coordinating replica does not know what others have found: a participant's last answer
    /// may be on its way, or another incarnation may have finished everything.
    func view(
        ofDecided known: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        if let here = context.table.record(of: known.id),
            context.table.isRecording(here.id) || context.table.isUnrecorded(here)
        {
            return try await recordedView(of: here)
        }
        // Where this replica coordinates the transaction, the row is read once before an unfinished
        // state is reported. Every other round advances the inquiry, which reads each branch once, so the
        // loop ends.
        var isRowRead = context.table[known.id] == nil
        var record = known
        var inquiry = FinishInquiry()
        var next = inquiry.read(record.state, record.inquired, isRecorded: false)
        while true {
            switch next {
            case .readBranch(let branch):
                next = inquiry.read(
                    await context.participants.commitStatus(of: record.question(branch)))
            case .awaitRecord:
                isRowRead = true
                next = .report(.committing)
                if let row = try await finishedRow(record.id) {
                    record = row
                    next = inquiry.read(row.state, row.inquired, isRecorded: false)
                }
            case .confirmRow:
                record = try await context.log.confirmedRecord(record.id) ?? record
                next = inquiry.read(record.state, record.inquired, isRecorded: true)
            case .report(let state):
                if !isRowRead, state == .committing || state == .aborting {
                    isRowRead = true
                    if let row = try await context.log.record(record.id), row.isFinishRecorded {
                        record = row
                        next = inquiry.read(row.state, row.inquired, isRecorded: false)
                        continue
                    }
                }
                guard state == .committed, record.state == .committing else { return record }
                return await recordingFinish(of: record)
            }
        }
    }

    /// A commit that was read to have committed everywhere: recorded before it is reported, for the
    /// next replica that is asked may not be able to read the same, its owner among them.
    ///
    /// A standby that has not received a commit may yet be promoted, and would have the branch
    /// prepared again. So this records the finish only once later writes are replicated; else the
    /// replica that finishes the branches does.
    ///
    /// Where recording fails, the commit is reported all the same, for others may have reported it.
    /// A decision that only a commit point holds gets its finish record from its owner alone.
    private func recordingFinish(of record: TransactionRecord) async -> TransactionRecord {
        let seen = record.committedEverywhere
        for (index, branch) in record.branches.enumerated()
        where branch.commitMode == .twoPhase && branch.outcome != .committed {
            guard await context.participants.isCommitReplicated(record.question(index)) else {
                return seen
            }
        }
        var finished = seen
        finished.finishedAt = context.clock.wallTime
        try? await context.log.recordFinish(finished)
        return seen
    }

    /// The row, once its finish is recorded; nil if that takes longer than a quarter of a second.
    ///
    /// The owner signals the record, since it is asked to before the row is read. It may have recorded
    /// the finish before it was asked, or another replica may: the row says so, now or at the end.
    private func finishedRow(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        let end = context.clock.milliseconds + 250
        if !context.table.contains(id) { await context.signals.send(.watch(id)) }
        while true {
            if let row = try await context.log.record(id), row.isFinishRecorded { return row }
            let left = end - context.clock.milliseconds
            guard left > 0 else { return nil }
            await context.table.waitForFinishRecord(of: id, within: .milliseconds(left))
        }
    }

    /// What may be reported of a transaction that is finished here.
    ///
    /// A commit may be reported at once, since every replica can read the same in the branches. Anything
    /// else may be reported once it is recorded; if that takes longer than a second, the transaction is
    /// reported as still finishing.
    func recordedView(
        of known: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        let end = context.clock.milliseconds + 1000
        var finished = known
        while context.table.isUnrecorded(finished) {
            let left = end - context.clock.milliseconds
            guard left > 0 else {
                guard let before = finished.beforeFinish else {
                    throw LogUnavailable(
                        "The server that held the decision is gone, which is not recorded yet. Ask again.",
                        isOutcomeUnknown: true)
                }
                return before
            }
            await context.table.waitForFinishRecord(of: finished.id, within: .milliseconds(left))
            finished = context.table.record(of: finished.id) ?? finished
        }
        return finished
    }
}

extension RecordFilter {
    /// Whether what this replica knows of a row that matched still does.
    fileprivate func matches(stateOf known: TransactionRecord) -> Bool {
        guard states.isEmpty || states.contains(known.state) else { return false }
        switch queue {
        case nil, .needsOperator: return true
        case .running, .inDoubt: return known.decision == nil
        case .retrying: return known.state == .committing || known.state == .aborting
        }
    }
}
