public import CommitProtocol

extension TransactionEngine {
    /// What is known of a transaction; nil if no row of this principal has the id.
    public func status(
        _ id: GlobalTransactionID, principal: String
    ) async throws(LogUnavailable) -> TransactionRecord? {
        if let known = current(id) { return known.principal == principal ? known : nil }
        guard let record = try await log.record(id), record.principal == principal else {
            return nil
        }
        // The end may have been reached here while the row was being read.
        return current(id) ?? record
    }

    /// As `status`, but waits for the transaction's end, at most for so long.
    public func status(
        _ id: GlobalTransactionID, principal: String, waiting limit: Duration
    ) async throws(LogUnavailable) -> TransactionRecord? {
        let until = clock.milliseconds + limit.milliseconds
        while drives[id]?.record.principal == principal {
            let left = until - clock.milliseconds
            guard left > 0 else { break }
            await change(of: id, within: .milliseconds(left))
        }
        return try await status(id, principal: principal)
    }

    /// Rows that match, newest first, with what this replica knows beyond them.
    public func list(_ filter: RecordFilter) async throws(LogUnavailable) -> [TransactionRecord] {
        let records = try await log.records(filter)
        return records.compactMap { record in
            guard let known = current(record.id) else { return record }
            return filter.states.isEmpty || filter.states.contains(known.state) ? known : nil
        }
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
            guard drives[id] != nil else { return continuation.resume() }
            drives[id]?.watchers.append(continuation)
        }
        timer.cancel()
    }

    /// Wakes those who watch; each looks at its own clock.
    private func release(_ id: GlobalTransactionID) {
        guard let watchers = drives[id]?.watchers else { return }
        drives[id]?.watchers = []
        for watcher in watchers { watcher.resume() }
    }

    /// Refuses new work and waits until what is under way has ended, at most for so long.
    ///
    /// What is left is finished by the next life of this replica, or by another.
    public func drain(within limit: Duration) async -> Bool {
        isDraining = true
        guard !drives.isEmpty else { return true }
        let timer = clock.schedule(after: limit) { [weak self] in
            Task { await self?.stopWaitingForIdle() }
        }
        await withCheckedContinuation { idleWaiters.append($0) }
        timer.cancel()
        return drives.isEmpty
    }

    private func stopWaitingForIdle() {
        let waiters = idleWaiters
        idleWaiters = []
        for waiter in waiters { waiter.resume() }
    }
}
