public import CommitProtocol

/// What became of a request to roll back.
public enum RollbackAnswer: Sendable {
    /// No row of this principal, or of anybody if that is nil, has the id.
    case notFound
    /// This is what is recorded; the decision may as well be commit, or lost for ever.
    case known(TransactionRecord)
    /// Nobody can say yet what was decided.
    case outcomeUnknown
    /// It may have been decided before the state database changed: an operator has to look.
    case held
}

extension TransactionEngine {
    /// Asks for an abort, whichever replica drives the transaction; repeating it gives the recorded
    /// outcome.
    ///
    /// It is the same compare-and-set as any abort, so it may come too late, and whichever
    /// decision the row then holds is the answer.
    public func rollBack(
        _ id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> RollbackAnswer {
        let until = clock.milliseconds + limits.finishWait.milliseconds
        if let known = current(id) {
            guard known.isOf(principal) else { return .notFound }
            deliver(.rollbackRequested, to: id)
        } else {
            guard var row = try await log.record(id), row.isOf(principal) else {
                return .notFound
            }
            if row.isHeld { return .held }
            // What a register has decided needs no request; where it is silent, its owner may know.
            if let known = try? await confirmed(row) { row = known }
            if row.decision == nil, transactions[id] == nil {
                switch await recordAbort(of: row, until: until) {
                case .decided: await signals.send(.rollBack(id))
                case .delegated: try await askOwner(toRollBack: id, principal, until: until)
                case .missing, .unknown: return .outcomeUnknown
                }
            } else {
                deliver(.rollbackRequested, to: id)
            }
        }
        let left = max(0, until - clock.milliseconds)
        do {
            let record = try await status(id, principal: principal, waiting: .milliseconds(left))
            guard let record else { return .notFound }
            return record.isDecided ? .known(record) : .outcomeUnknown
        } catch {
            guard error.isOutcomeUnknown else { throw error }
            return .outcomeUnknown
        }
    }

    /// Where a register decides, its owner alone can ask it: what is asked for is noted in the row,
    /// and the owner is woken, again and again, since a signal may be lost.
    private func askOwner(
        toRollBack id: GlobalTransactionID, _ principal: String?, until: Int64
    ) async throws(LogUnavailable) {
        try await log.requestRollback(id)
        while clock.milliseconds < until {
            await signals.send(.rollBack(id))
            let left = min(1000, until - clock.milliseconds)
            do {
                let row = try await status(
                    id, principal: principal, waiting: .milliseconds(left))
                guard let row, row.decision == nil else { return }
            } catch {
                guard error.isOutcomeUnknown else { throw error }
                await pause(.milliseconds(left))
            }
        }
    }

    /// Records the abort of a row that another replica drives, and answers what the row says then.
    private func recordAbort(of row: TransactionRecord, until: Int64) async -> DecideAnswer {
        var row = row
        row.decidedAt = clock.wallTime
        row.problem = encoding.problem(row, .requested, nil)
        while true {
            let answer = await log.decide(.abort, row)
            switch answer {
            case .decided, .delegated: return answer
            case .missing, .unknown: break
            }
            guard clock.milliseconds + 50 < until else { return answer }
            await pause(.milliseconds(50))
        }
    }

    /// Takes a signal of another replica, or nil if some may have been missed.
    public func receive(_ signal: ReplicaSignal?) async {
        switch signal {
        case nil:
            for id in Array(distantWatchers.keys) { releaseDistant(id) }
        case .ended(let id):
            releaseDistant(id)
        case .watch(let id):
            // Its end is told when it is recorded, for only then can the one who waits read it.
            if transactions[id] != nil || recentlyEnded[id] != nil { watchedElsewhere.insert(id) }
        case .resolved(let id):
            try? await applyResolutions(to: id)
        case .rollBack(let id):
            guard transactions[id] != nil else { return }
            // A signal proves nothing: anybody with a session there can send one.
            guard let row = try? await log.record(id) else { return }
            if row.decision == .abort {
                // Whoever wrote the abort knew why: a request, or a deadline that passed.
                transactions[id]?.obeyAbort(of: row)
            } else if !row.isRollbackRequested {
                return
            }
            deliver(.rollbackRequested, to: id)
        }
    }
}
