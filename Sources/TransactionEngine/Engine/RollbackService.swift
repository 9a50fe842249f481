import CommitProtocol
import EventLoop

/// What became of a request to roll back.
public enum RollbackAnswer: Sendable {
    /// No row of this principal has the id.
    case notFound
    /// This is what is recorded; the decision may be commit, or out of reach.
    case known(TransactionRecord)
    /// Nobody can say yet what was decided.
    case outcomeUnknown
    /// It may have been decided before the state database changed: an operator has to look.
    case held
}

/// Rolls transactions back on request, whichever replica coordinates them.
@LoopActor
final class RollbackService {
    private let ports: EnginePorts
    private let encoding: OutcomeEncoding
    private let limits: EngineLimits
    private let table: TransactionTable
    private let driver: TransactionDriver
    private let status: StatusReader
    private var clock: any EngineClock { ports.clock }

    init(
        _ ports: EnginePorts, encoding: OutcomeEncoding, limits: EngineLimits,
        table: TransactionTable, driver: TransactionDriver, status: StatusReader
    ) {
        self.ports = ports
        self.encoding = encoding
        self.limits = limits
        self.table = table
        self.driver = driver
        self.status = status
    }

    /// Asks for an abort; asking again gives the recorded outcome.
    ///
    /// It is the same compare-and-set as any abort, so it may come too late: the answer is whichever
    /// decision the row then holds.
    func rollBack(
        _ id: GlobalTransactionID, principal: String?
    ) async throws(LogUnavailable) -> RollbackAnswer {
        let end = clock.milliseconds + limits.finishWait.milliseconds
        if let known = table.record(of: id) {
            guard known.isOf(principal) else { return .notFound }
            requestHere(id)
        } else {
            guard var row = try await ports.log.record(id), row.isOf(principal) else {
                return .notFound
            }
            if row.isHeld { return .held }
            // A commit point that has decided makes the request needless. Where it does not answer,
            // the owner may know.
            if let decided = try? await status.view(of: row, .decision) { row = decided }
            if row.decision == nil, table[id] == nil {
                switch await recordAbort(of: row, until: end) {
                case .decided: await ports.signals.send(.rollBack(id))
                case .delegated: try await askOwner(toRollBack: id, principal, until: end)
                case .missing, .unknown: return .outcomeUnknown
                }
            } else {
                requestHere(id)
            }
        }
        let left = max(0, end - clock.milliseconds)
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
        guard table[id] != nil, let row = try? await ports.log.record(id),
            let transaction = table[id]
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
        if let transaction = table[id] { driver.requestRollback(of: transaction) }
    }

    /// Asks the owner, for only the owner can ask its commit point: notes the request in the row and
    /// wakes the owner, again and again, since a signal may be lost.
    private func askOwner(
        toRollBack id: GlobalTransactionID, _ principal: String?, until end: Int64
    ) async throws(LogUnavailable) {
        try await ports.log.requestRollback(id)
        while clock.milliseconds < end {
            await ports.signals.send(.rollBack(id))
            let left = Duration.milliseconds(min(1000, end - clock.milliseconds))
            do {
                let row = try await status.view(of: id, principal: principal, waiting: left)
                guard let row, row.decision == nil else { return }
            } catch {
                guard error.isOutcomeUnknown else { throw error }
                await clock.pause(left)
            }
        }
    }

    /// Records the abort of a row that another replica coordinates; returns what the row then says.
    private func recordAbort(of row: TransactionRecord, until end: Int64) async -> DecideAnswer {
        var row = row
        row.decidedAt = clock.wallTime
        row.problem = encoding.problem(row, .requested, nil)
        while true {
            let answer = await ports.log.decide(.abort, row)
            switch answer {
            case .decided, .delegated: return answer
            case .missing, .unknown: break
            }
            guard clock.milliseconds + 50 < end else { return answer }
            await clock.pause(.milliseconds(50))
        }
    }
}
