import CommitProtocol
import EventLoop
import TransactionEngine

// The ports' completions, as functions that a test waits for.

@LoopActor
extension Participants {
    /// Reserves sessions, and waits for them; cancelling the task gives up the wait.
    func reserve(
        _ requests: [SessionRequest], runsAgain: Bool = false, within limit: Duration
    ) async throws(AdmissionFailure) -> [any BranchSession] {
        let wait = ReservationWait()
        return try await withTaskCancellationHandler {
            await withCheckedContinuation { reply in
                let cancel = reserve(requests, runsAgain: runsAgain, within: limit) {
                    reply.resume(returning: $0)
                }
                wait.began(cancel)
            }
        } onCancel: {
            Task { @LoopActor in wait.cancel() }
        }.get()
    }
}

/// The wait of a task for sessions, which may be cancelled before it has begun.
@LoopActor
private final class ReservationWait {
    private var giveUp: (@LoopActor () -> Void)?
    private var isCancelled = false

    fileprivate nonisolated init() {}

    fileprivate func began(_ giveUp: (@LoopActor () -> Void)?) {
        self.giveUp = giveUp
        if isCancelled { giveUp?() }
    }

    fileprivate func cancel() {
        isCancelled = true
        giveUp?()
    }
}

@LoopActor
extension BranchSession {
    /// Runs the work, and waits for the report.
    func work(_ request: WorkRequest) async -> WorkReport {
        await withCheckedContinuation { reply in work(request) { reply.resume(returning: $0) } }
    }

    /// Finishes what it holds, and waits for the report.
    func finish(_ decision: Decision) async -> FinishReport {
        await withCheckedContinuation { reply in finish(decision) { reply.resume(returning: $0) } }
    }
}

@LoopActor
extension DecisionLog {
    /// Waits for an unused id.
    func nextTransactionID() async throws(LogUnavailable) -> GlobalTransactionID {
        try await withCheckedContinuation { reply in
            nextTransactionID { reply.resume(returning: $0) }
        }.get()
    }
}
