import CommitProtocol
import EventLoop

/// A working session with a gate around its work, which ends with the PREPARE, and around what
/// follows if the branch is not prepared.
@LoopActor
final class SteppedSession: BranchSession {
    private enum Progress {
        case reserved
        /// The gate holds the work.
        case beforeWork
        case working
        /// The work has ended; a session of a prepared branch is another branch's by now.
        case worked
    }

    private nonisolated let inner: any BranchSession
    private let gate: any StepGate
    private let branch: Int
    private var progress = Progress.reserved
    private var gid = ""
    private var isCancelled = false

    init(around inner: any BranchSession, gate: any StepGate, branch: Int) {
        self.inner = inner
        self.gate = gate
        self.branch = branch
    }

    nonisolated var participantVersion: Int? { inner.participantVersion }

    var server: ServerTimeline? { inner.server }

    private func place(
        _ step: ProtocolStep, _ moment: StepMoment, isDone: Bool = false
    ) -> StepPlace {
        StepPlace(step, moment, of: .branch(gid: gid), branch: branch, isDone: isDone)
    }

    func work(_ request: WorkRequest, then completion: @escaping Completion<WorkReport>) {
        gid = request.gid
        progress = .beforeWork
        gate.reach(place(.work, .before)) { [self] verdict in
            if isCancelled || verdict == .disconnect {
                progress = .worked
                inner.release()
                let failure = BranchFailure(isCancelled ? .cancelled : .connectionLost)
                return completion(
                    WorkReport(reply: .refused, results: [], failure: failure, session: nil))
            }
            progress = .working
            inner.work(request) { [self] report in worked(report, then: completion) }
        }
    }

    private func worked(_ report: WorkReport, then completion: @escaping Completion<WorkReport>) {
        progress = .worked
        // What was cancelled is aborted, even if PREPARE came first: nobody would end a pause of it.
        let isDone = report.reply.isYes && !isCancelled
        gate.reach(place(.work, .after, isDone: isDone)) { [self] verdict in
            completion(verdict == .goOn ? report : lost(report))
        }
    }

    /// What the engine learns of work whose answer does not arrive.
    ///
    /// The server may have prepared the branch, and rolls back one that is only held.
    private func lost(_ report: WorkReport) -> WorkReport {
        let reply: WorkReply
        switch report.reply {
        case .prepared, .preparedAgainstVote, .lost: reply = .lost
        case .refused: reply = .refused
        case .held, .ready:
            reply = .refused
            inner.finish(.abort) { _ in }
        }
        return WorkReport(
            reply: reply, results: [], failure: BranchFailure(.connectionLost),
            session: report.session)
    }

    func commit(
        _ entry: JournalEntry?, then completion: @escaping Completion<LocalCommitReport>
    ) {
        gate.reach(place(.commitLocally, .before)) { [self] verdict in
            guard verdict == .goOn else {
                inner.finish(.abort) { _ in }
                return completion(LocalCommitReport(.unknown))
            }
            inner.commit(entry) { [self] report in
                let place = place(.commitLocally, .after, isDone: report.reply == .committed)
                gate.reach(place) { verdict in
                    completion(verdict == .goOn ? report : LocalCommitReport(.unknown))
                }
            }
        }
    }

    func finish(
        _ decision: Decision, then completion: @escaping Completion<FinishReport>
    ) {
        gate.reach(place(.release, .before)) { [self] verdict in
            guard verdict == .goOn else { return completion(.disconnected) }
            inner.finish(decision) { [self] report in
                let place = place(.release, .after, isDone: report.reply != .tryAgain)
                gate.reach(place) { verdict in
                    completion(verdict == .goOn ? report : .disconnected)
                }
            }
        }
    }

    /// Cancels what is running; what the gate holds goes on, since the transaction is to abort.
    func cancel() {
        isCancelled = true
        switch progress {
        case .reserved, .working: inner.cancel()
        case .beforeWork, .worked: gate.giveUp(gid: gid)
        }
    }

    func release() { inner.release() }
}

extension FinishReport {
    /// The report of a branch whose participant was cut off.
    static var disconnected: FinishReport {
        FinishReport(.tryAgain, error: StepPlace.disconnected)
    }
}
