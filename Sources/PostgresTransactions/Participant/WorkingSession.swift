import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

/// A connection that one branch has to itself until it has voted.
@LoopActor
final class WorkingSession: BranchSession {
    private let participant: PostgresParticipant
    private let connection: PostgresConnection
    private var isWorking = false
    private var wasCancelled = false
    private var isOver = false

    init(participant: PostgresParticipant, connection: PostgresConnection) {
        self.participant = participant
        self.connection = connection
    }

    /// Everything from BEGIN to PREPARE in one round trip; the vote is the command tag.
    func work(_ order: WorkOrder) async -> WorkReport {
        guard let facts = participant.facts(of: connection), !wasCancelled else {
            return close(
                WorkReport(
                    reply: .refused, results: [],
                    failure: BranchFailure(wasCancelled ? .cancelled : .connectionLost),
                    session: nil), order)
        }
        isWorking = true
        let plan = WorkPlan(order)
        do {
            var replies = try await run(plan)
            if plan.canRetry(replies) {
                // A cached statement had vanished or changed its shape: nothing ran that counts.
                await rollBack()
                replies = try await run(plan)
            }
            let report = plan.report(replies, facts: facts)
            await rollBack()
            return close(report, order)
        } catch {
            // Something was sent, so a PREPARE may have run or may yet run.
            let failure = BranchFailure(wasCancelled ? .cancelled : .connectionLost)
            return close(
                WorkReport(reply: .lost, results: [], failure: failure, session: facts.identity),
                order)
        }
    }

    private func run(_ plan: WorkPlan) async throws(PostgresError) -> [CommandReply] {
        let limits = ResultLimits(
            rows: participant.options.resultRowsMax, bytes: participant.options.resultBytesMax)
        let replies = try await connection.execute(
            plan.segments, limits: plan.returnsRows ? limits : nil)
        return replies[1]
    }

    private func rollBack() async {
        guard connection.isOpen, connection.isInTransaction else { return }
        _ = try? await connection.execute([[Command("ROLLBACK")]], timeout: .seconds(5))
    }

    private func close(_ report: WorkReport, _ order: WorkOrder) -> WorkReport {
        isWorking = false
        switch report.reply {
        case .refused: break
        case .prepared, .preparedAgainstVote, .lost: participant.slotHolders.insert(order.gid)
        }
        giveBack()
        return report
    }

    /// Asks PostgreSQL to stop.
    ///
    /// If it does not within two seconds the connection is cut, which makes the vote `lost`, and
    /// the fence ends the backend.
    func cancel() async {
        guard !isOver, !wasCancelled else { return }
        wasCancelled = true
        guard isWorking else { return }
        _ = EventLoop.shared.schedule(after: .seconds(2)) { [weak self] in
            guard let self, self.isWorking else { return }
            self.connection.close()
        }
        await connection.requestCancel()
    }

    func release() async { giveBack() }

    /// A cancel request may still be on its way to the backend, where it would hit whoever works
    /// there next: such a connection is not used again.
    private func giveBack() {
        guard !isOver else { return }
        isOver = true
        participant.working -= 1
        if wasCancelled || !connection.isOpen || connection.isInTransaction {
            participant.workers.discard(connection)
        } else {
            participant.workers.giveBack(connection)
        }
    }
}
