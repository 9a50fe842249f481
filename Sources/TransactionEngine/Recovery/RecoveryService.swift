import CommitProtocol
import EventLoop
import Logging

/// What one pass over the rows has done.
public struct RecoveryPass: Sendable, Hashable {
    /// How many transactions were taken over.
    public let adoptedCount: Int
    /// Whether as many rows were found as one pass asks for: there may be more.
    public let isFull: Bool
}

/// Takes over unfinished transactions that no living replica owns, and aborts what other replicas
/// left undecided past its deadline.
@LoopActor
final class RecoveryService {
    private let ports: EnginePorts
    private let encoding: OutcomeEncoding
    private let limits: EngineLimits
    private let table: TransactionTable
    private let driver: TransactionDriver
    private let logger: Logger
    /// Applies what operators have resolved to a transaction that was taken over.
    var applyResolutions: @LoopActor (GlobalTransactionID) async -> Void = { _ in }

    init(
        _ ports: EnginePorts, encoding: OutcomeEncoding, limits: EngineLimits,
        table: TransactionTable, driver: TransactionDriver, logger: Logger
    ) {
        self.ports = ports
        self.encoding = encoding
        self.limits = limits
        self.table = table
        self.driver = driver
        self.logger = logger
    }

    /// Runs passes until the task is cancelled.
    func recoverContinuously() async {
        while !Task.isCancelled {
            do throws(LogUnavailable) {
                while try await recoverOnce().isFull {}
            } catch {
                logger.warning(
                    "recovery waits for the state database", metadata: ["reason": "\(error.reason)"]
                )
            }
            await ports.clock.pause(limits.recoveryInterval)
        }
    }

    /// Runs one pass over the rows.
    @discardableResult
    func recoverOnce() async throws(LogUnavailable) -> RecoveryPass {
        let table = table
        let rows = try await ports.log.claimUnowned(
            limit: limits.claimBatch, known: ports.participants.names,
            active: { await table.ids })
        var adoptedCount = 0
        for row in rows where driver.adopt(row) {
            adoptedCount += 1
            guard row.resolutionCount > 0 else { continue }
            let id = row.id
            spawn { [applyResolutions] in await applyResolutions(id) }
        }
        if adoptedCount > 0 {
            logger.notice("took transactions over", metadata: ["count": "\(adoptedCount)"])
        }
        try await abortExpired()
        // A row that was not adopted had its place in the answer all the same, and others may have
        // been left out for it. The next claim leaves it out, so no pass repeats the one before.
        let pass = RecoveryPass(
            adoptedCount: adoptedCount, isFull: rows.count == limits.claimBatch)
        ports.observer?.observe(.recoveryPass(pass))
        return pass
    }

    /// Aborts what other living replicas left undecided past its deadline (AC5).
    ///
    /// The owner finishes the branches: it obeys the row, and is woken. If it dies, its rows are
    /// claimed like any others.
    private func abortExpired() async throws(LogUnavailable) {
        for var row in try await ports.log.expired(limit: limits.claimBatch) {
            row.decidedAt = ports.clock.wallTime
            row.problem = encoding.problem(row, .deadlinePassed, nil)
            guard case .decided(.abort, _) = await ports.log.decide(.abort, row) else { continue }
            logger.notice(
                "aborted another replica's transaction past its deadline",
                metadata: ["transaction": "\(row.id)", "owner": "\(row.owner)"])
            await ports.signals.send(.rollBack(row.id))
        }
    }
}
