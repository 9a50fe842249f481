import CommitProtocol
import EventLoop

/// What became of a request to roll back.
package enum RollbackAnswer: Sendable {
    /// No row of this principal has the id.
    case notFound
    /// This is what is recorded: the decision may be commit; or the transaction is undecidable and needs
    /// an operator.
    case known(TransactionRecord)
    /// It is not known yet what was decided.
    case outcomeUnknown
    /// It may have been decided before the state database changed: an operator must decide.
    case held
}

/// Rolls transactions back on request, whichever replica coordinates them.
@LoopActor
final class RollbackService {
    private let context: EngineContext
    private let driver: TransactionDriver
    private let status: StatusReader

    init(_ context: EngineContext, driver: TransactionDriver, status: StatusReader) {
        self.context = context
        self.driver = driver
        self.status = status
    }

    /// Asks for an abort; asking again gives the recorded outcome.
    ///
    /// It is the same compare-and-set as any abort, so it may come too late: the answer is whichever
    /// decision the row then holds. Where a branch is the commit point, the owner queries it instead. Where
    /// the request runs again, its last transaction is the one to
    /// roll back.
    func rollBack(
        _ id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> RollbackAnswer {
        let end = context.clock.milliseconds + context.limits.finishWait.milliseconds
        var id = id
        while let next = try await successor(of: id, principal) { id = next }
        var answer = try await rollBackRun(id, principal: principal, until: end)
        while case .known(let record) = answer, let next = record.retriedAs {
            let later = try await rollBackRun(next, principal: principal, until: end)
            // Retention may have removed it.
            if case .notFound = later { break }
            answer = later
        }
        return answer
    }

    /// The next run of the same request, if the caller may see this one.
    ///
    /// A run that has a successor is aborted, so there is no need to wait for its finish.
    private func successor(
        of id: GlobalTransactionID, _ principal: String?
    ) async throws(LogUnavailable) -> GlobalTransactionID? {
        let known = context.table.record(of: id)
        let record: TransactionRecord?
        if let known { record = known } else { record = try await context.log.record(id) }
        guard let record, record.isOf(principal), let next = record.retriedAs else { return nil }
        if context.table[next] != nil { return next }
        return try await context.log.record(next) == nil ? nil : next
    }

    private func rollBackRun(
        _ id: GlobalTransactionID, principal: String?, until end: Int64
    ) async throws(LogUnavailable) -> RollbackAnswer {
        if let known = context.table.record(of: id) {
            guard known.isOf(principal) else { return .notFound }
            requestHere(id)
        } else {
            guard var row = try await context.log.record(id), row.isOf(principal) else {
                return .notFound
            }
            if row.isHeld { return .held }
            // A commit point that has decided makes the request needless. Where it does not answer,
            // the owner may know.
            let isOpen = row.decision == nil
            if let decided = try? await status.decidedView(of: row) { row = decided }
            if row.decision == nil, context.table[id] == nil {
                switch await recordAbort(of: row, until: end) {
                case .decided: await context.signals.send(.rollBack(id))
                case .delegated: try await askOwner(toRollBack: id, principal, until: end)
                default: return .outcomeUnknown
                }
            } else {
                requestHere(id)
                // The commit point holds the abort, and the row does not yet. The owner may write a
                // successor together with the copy. It does not believe a signal alone: the note in the
                // row says that it must not.
                if isOpen, row.decision == .abort, context.table[id] == nil {
                    try await context.log.requestRollback(id)
                    await context.signals.send(.rollBack(id))
                }
            }
        }
        let left = max(0, end - context.clock.milliseconds)
        do {
            let record = try await status.view(
                of: id, principal: principal, waiting: .milliseconds(left))
            guard let record else { return .notFound }
            return record.isDecided ? .known(record) : .outcomeUnknown
        } catch {
            guard error.isOutcomeUnknown else { throw error }
            return .outcomeUnknown
        }
    }

    /// Another replica recorded an abort, or asks for one.
    ///
    /// The signal proves nothing, since any session of the state database can send it: the row says
    /// whether it is true.
    func receiveRollback(of id: GlobalTransactionID) async {
        guard context.table[id] != nil, let row = try? await context.log.record(id),
            let transaction = context.table[id]
        else { return }
        if row.decision == .abort {
            // The replica that recorded the abort knew why: a request, or a deadline that passed.
            transaction.adoptProblem(of: row)
        } else if !row.isRollbackRequested {
            return
        }
        driver.requestRollback(of: transaction)
    }

    private func requestHere(_ id: GlobalTransactionID) {
        if let transaction = context.table[id] { driver.requestRollback(of: transaction) }
    }

    /// Asks the owner, for only the owner can ask its commit point: notes the request in the row and
    /// wakes the owner, again and again, since a signal may be lost.
    private func askOwner(
        toRollBack id: GlobalTransactionID, _ principal: String?, until end: Int64
    ) async throws(LogUnavailable) {
        try await context.log.requestRollback(id)
        while context.clock.milliseconds < end {
            await context.signals.send(.rollBack(id))
            let left = Duration.milliseconds(min(1000, end - context.clock.milliseconds))
            do {
                let row = try await status.view(of: id, principal: principal, waiting: left)
                guard let row, row.decision == nil else { return }
            } catch {
                guard error.isOutcomeUnknown else { throw error }
                await context.clock.pause(left)
            }
        }
    }

    /// Records the abort of a row that another replica coordinates; returns what the row then says.
    ///
    /// If the answer is lost the same is written again: at once when this replica's signals are back,
    /// for then the state database is. But a write can also fail while signals arrive all the time,
    /// by a timeout or because the server refuses it, and no event announces that the next one will
    /// not. So there is a pause as well, which doubles up to a second.
    private func recordAbort(of row: TransactionRecord, until end: Int64) async -> LogAnswer {
        var row = row
        var pause: Int64 = 50
        row.decidedAt = context.clock.wallTime
        row.problem = context.encoding.problem(row, .requested, nil)
        while true {
            let answer = await context.log.perform(LogWrite(.decide(.abort), of: row))
            if answer.isKnown { return answer }
            let left = end - context.clock.milliseconds
            guard left > 0 else { return answer }
            await context.table.waitForFinishRecord(
                of: row.id, within: .milliseconds(min(pause, left)))
            pause = min(pause * 2, 1000)
        }
    }
}
