public import CommitProtocol

extension TransactionEngine {
    /// What is known of a transaction; nil if no row of this principal, or of anybody if that is
    /// nil, has the id.
    public func status(
        _ id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> TransactionRecord? {
        if let known = current(id), !known.isOf(principal) { return nil }
        if let known = try await settled(id), known.isDecided {
            return try await withResolutions(told(known))
        }
        guard let record = try await log.record(id), record.isOf(principal) else {
            return nil
        }
        // It may have been taken over, or have ended here, while the row was being read.
        if let known = try await settled(id), known.isDecided {
            return try await withResolutions(told(known))
        }
        return try await withResolutions(told(latest(confirmed(record))))
    }

    /// What this replica knows beyond the row; nil if that is nothing.
    ///
    /// While a decision is asked for it may be durable already, and another replica may have told
    /// it: "undecided" said here would take that back. So the answer is waited for.
    private func settled(
        _ id: GlobalTransactionID
    ) async throws(LogUnavailable) -> TransactionRecord? {
        let until = clock.milliseconds + 5000
        while let machine = transactions[id]?.machine, machine.isAccepted, machine.awaitsDecision {
            let left = until - clock.milliseconds
            guard left > 0 else {
                throw LogUnavailable(
                    "What was decided has been asked for, and no answer came yet.",
                    isOutcomeUnknown: true)
            }
            await change(of: id, within: .milliseconds(left))
        }
        return current(id)
    }

    /// As `status`, but waits for the transaction's end, at most for so long, whichever replica
    /// drives it.
    public func status(
        _ id: GlobalTransactionID, principal: String?, waiting limit: Duration
    ) async throws(LogUnavailable) -> TransactionRecord? {
        let until = clock.milliseconds + limit.milliseconds
        var asked: Incarnation?
        var pause: Int64 = 50
        while true {
            let left = until - clock.milliseconds
            guard left > 0 else { break }
            // For an operator nobody waits here.
            if let transaction = transactions[id] {
                guard transaction.record.isOf(principal),
                    transaction.machine.state != .needsOperator
                else {
                    break
                }
                await change(of: id, within: .milliseconds(left))
                continue
            }
            guard recentlyEnded[id] == nil, let row = try await log.record(id),
                row.isOf(principal), row.finishedAt == nil, row.state != .needsOperator
            else { break }
            if transactions[id] != nil { continue }
            // Whoever drives it is asked to tell, and is asked again when that is somebody else.
            let incarnation = Incarnation(replica: row.owner, epoch: row.epoch)
            if asked != incarnation {
                asked = incarnation
                await signals.send(.watch(id))
            }
            await distantChange(of: id, within: .milliseconds(min(left, pause)))
            // The signal may be lost, or may have met nobody: then this is what ends the wait.
            pause = min(pause * 2, 1000)
        }
        return try await status(id, principal: principal)
    }

    private struct Incarnation: Equatable {
        let replica: String
        let epoch: Int64
    }

    /// A row of another replica, with what may be told of its decision: `DecisionInquiry` says what
    /// is looked at for it.
    func confirmed(
        _ record: TransactionRecord
    ) async throws(LogUnavailable) -> TransactionRecord {
        guard record.finishedAt == nil, !(current(record.id)?.isDecided ?? false) else {
            return record
        }
        var (row, silence) = (record, "")
        var inquiry = DecisionInquiry()
        var next = inquiry.read(reading(of: row), isConfirmed: false)
        while true {
            switch next {
            case .tell: return row
            case .confirmRow:
                row = try await log.confirmedRecord(row.id) ?? row
                next = inquiry.read(reading(of: row), isConfirmed: true)
            case .readRow:
                row = try await log.record(row.id) ?? row
                next = inquiry.read(reading(of: row), isConfirmed: false)
            case .readCommitPoint:
                let seen = await look(at: row)
                (row, silence) = (seen.row, seen.reason)
                next = inquiry.saw(seen.reading)
            case .unknown: throw LogUnavailable(silence, isOutcomeUnknown: true)
            }
        }
    }

    /// Rows that match, newest first, with what this replica knows beyond them.
    ///
    /// A list waits for nobody: where a decision is just being asked for, or its register does not
    /// answer, it shows what is recorded. A register that is silent is not asked again.
    public func list(_ filter: RecordFilter) async throws(LogUnavailable) -> RecordPage {
        let rows = try await log.records(filter)
        // One durable write after the read vouches for every decision that was read.
        if let row = rows.first(where: { isActiveElsewhere($0) && $0.decision != nil }) {
            _ = try await log.confirmedRecord(row.id)
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
                    known = try await confirmed(row)
                } catch {
                    guard error.isOutcomeUnknown else { throw error }
                    silent.insert(commitPoint)
                }
            }
            known = listed(known)
            if filter.states.isEmpty || filter.states.contains(known.state) {
                records.append(known)
            }
        }
        // A row that is known here to be in another state has had its place on the page.
        let next = rows.count == filter.limit ? rows.last?.id.number : nil
        return RecordPage(records: records, next: next)
    }

    /// Whether another replica may know more of it than its row says.
    private func isActiveElsewhere(_ row: TransactionRecord) -> Bool {
        row.finishedAt == nil && current(row.id) == nil
    }

    /// A row, or what this replica knows beyond it.
    ///
    /// An owner that has asked for no decision yet does not know of the abort that another replica
    /// may have recorded, and told.
    func latest(_ row: TransactionRecord) -> TransactionRecord {
        guard let known = current(row.id), known.isDecided || !row.isDecided else { return row }
        return known
    }

    /// What is known of each participant.
    public func participantStatuses() async -> [ParticipantStatus] {
        await participants.statuses()
    }

    /// Waits until the transaction's state changes, or the time is over.
    private func change(of id: GlobalTransactionID, within limit: Duration) async {
        let timer = clock.schedule(after: limit) { [weak self] in
            Task { await self?.release(id) }
        }
        await withCheckedContinuation { continuation in
            guard transactions[id] != nil else { return continuation.resume() }
            transactions[id]?.watchers.append(continuation)
        }
        timer.cancel()
    }

    /// Waits until the transaction's end is recorded, here or by another replica who tells of it, or the
    /// time is over.
    func distantChange(of id: GlobalTransactionID, within limit: Duration) async {
        let timer = clock.schedule(after: limit) { [weak self] in
            Task { await self?.releaseDistant(id) }
        }
        await withCheckedContinuation { distantWatchers[id, default: []].append($0) }
        timer.cancel()
    }

    /// Wakes those who wait for the record of an end; each looks for itself.
    func releaseDistant(_ id: GlobalTransactionID) {
        for watcher in distantWatchers.removeValue(forKey: id) ?? [] { watcher.resume() }
    }

    /// Wakes those who watch; each looks at its own clock.
    private func release(_ id: GlobalTransactionID) {
        guard let watchers = transactions[id]?.watchers else { return }
        transactions[id]?.watchers = []
        for watcher in watchers { watcher.resume() }
    }

    /// Refuses new work and waits until what is under way has ended, at most for so long.
    ///
    /// What is left is finished by the next life of this replica, or by another.
    public func drain(within limit: Duration) async -> Bool {
        isDraining = true
        guard !isIdle else { return true }
        let timer = clock.schedule(after: limit) { [weak self] in
            Task { await self?.stopWaitingForIdle() }
        }
        await withCheckedContinuation { waiter in
            guard !isIdle else { return waiter.resume() }
            idleWaiters.append(waiter)
        }
        timer.cancel()
        return transactions.isEmpty && beginning == 0
    }

    /// Asks for the abort of all that nothing is decided of, begins nothing that still waits for
    /// sessions, then waits as `drain` does.
    public func rollBackAll(within limit: Duration) async -> Bool {
        beginsNothing = true
        for id in Array(transactions.keys) { deliver(.rollbackRequested, to: id) }
        return await drain(within: limit)
    }

    /// Whether nothing is under way, and every end is recorded: an end that is written lazily would
    /// else be found again by the next life, and proved by it.
    private var isIdle: Bool { transactions.isEmpty && recentlyEnded.isEmpty && beginning == 0 }

    func wakeIfIdle() {
        if isIdle { stopWaitingForIdle() }
    }

    private func stopWaitingForIdle() {
        let waiters = idleWaiters
        idleWaiters = []
        for waiter in waiters { waiter.resume() }
    }
}
