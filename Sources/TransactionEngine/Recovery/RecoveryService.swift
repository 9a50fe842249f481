import CommitProtocol
import EventLoop
import Logging

/// What one pass over the rows has done.
package struct RecoveryPass: Sendable, Hashable {
    /// How many transactions were taken over.
    package let adoptedCount: Int
    /// Whether as many rows were found as one pass asks for: there may be more.
    package let isFull: Bool
}

/// Takes over unfinished transactions that no living replica owns, and aborts what other replicas
/// left undecided past its deadline.
@LoopActor
final class RecoveryService {
    private let context: EngineContext
    private let driver: TransactionDriver

    init(_ context: EngineContext, driver: TransactionDriver) {
        self.context = context
        self.driver = driver
    }

    /// Runs passes until the task is cancelled.
    func recoverContinuously() async {
        while !Task.isCancelled {
            do throws(LogUnavailable) {
                while try await recoverOnce().isFull {}
            } catch {
                context.ports.report(.recoveryFailed)
                context.logger.warning(
                    "recovery waits for the state database", metadata: ["reason": "\(error.reason)"]
                )
            }
            await context.clock.pause(context.limits.recoveryInterval)
        }
    }

    /// Runs one pass over the rows.
    @discardableResult
    func recoverOnce() async throws(LogUnavailable) -> RecoveryPass {
        let table = context.table
        let rows = try await context.log.claimUnowned(
            limit: context.limits.claimBatch, known: context.participants.names,
            active: { await table.ids })
        var adoptedCount = 0
        for row in rows where driver.adopt(row) {
            adoptedCount += 1
            guard row.resolutionCount > 0 else { continue }
            let id = row.id
            context.spawn { [driver] in try? await driver.applyResolutions(to: id) }
        }
        if adoptedCount > 0 {
            context.logger.notice("took transactions over", metadata: ["count": "\(adoptedCount)"])
        }
        try await abortExpired()
        // A row that was not adopted had its place in the answer all the same, and others may have
        // been left out for it. The next claim leaves it out, so no pass repeats the one before.
        let pass = RecoveryPass(
            adoptedCount: adoptedCount, isFull: rows.count == context.limits.claimBatch)
        context.ports.report(.recoveryPass(pass))
        return pass
    }

    /// Aborts what other living replicas left undecided past its deadline (AC5).
    ///
    /// The owner finishes the branches: it obeys the row, and is woken. If it dies, its rows are
    /// claimed like any others.
    private func abortExpired() async throws(LogUnavailable) {
        for var row in try await context.log.expired(limit: context.limits.claimBatch) {
            row.decidedAt = context.clock.wallTime
            row.problem = context.encoding.problem(row, .deadlinePassed, nil)
            let answer = await context.log.perform(LogWrite(.decide(.abort), of: row))
            guard case .decided(.abort, _) = answer else { continue }
            context.logger.notice(
                "aborted another replica's transaction past its deadline",
                metadata: row.logged(with: ["owner": "\(row.owner)"]))
            context.ports.report(.recovered(.abortedExpired))
            await context.signals.send(.rollBack(row.id))
        }
    }
}
