#if TANDEM_FAILPOINTS
import CommitProtocol
import EventLoop

/// Participants with failpoints around each branch's durable steps.
struct FailingParticipants: Participants {
    let inner: any Participants
    let points: Failpoints
    let installation: String

    var names: [String] { inner.names }

    func finish(
        _ request: FinishRequest, then completion: @escaping Completion<FinishReport>
    ) {
        let branch = number(ofBranch: request.gid, installation)
        let step: Failpoint.Step
        if request.fence != .none {
            step = .fence
        } else {
            step = request.decision == .commit ? .commitPrepared : .rollbackPrepared
        }
        points.hit(step, .before, branch: branch)
        inner.finish(request) { [points] report in
            points.hit(step, .after, branch: branch)
            completion(report)
        }
    }

    func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport {
        points.hit(.queryCommitPoint, .before, branch: query.branch)
        let report = await inner.queryCommitPoint(query)
        points.hit(.queryCommitPoint, .after, branch: query.branch)
        return report
    }

    func readCommitPoint(_ query: CommitPointQuery) async -> CommitPointReading {
        await inner.readCommitPoint(query)
    }

    func commitStatus(of branch: FinishRequest) async -> FinishInquiry.Reading {
        await inner.commitStatus(of: branch)
    }

    func isCommitReplicated(_ branch: FinishRequest) async -> Bool {
        await inner.isCommitReplicated(branch)
    }

    func keepsJournal(_ name: String) -> Bool { inner.keepsJournal(name) }

    func sessionsMax(of name: String) -> Int? { inner.sessionsMax(of: name) }

    func reserve(
        _ requests: [SessionRequest], runsAgain: Bool, within limit: Duration,
        then completion: @escaping Completion<Result<[any BranchSession], AdmissionFailure>>
    ) -> (@LoopActor () -> Void)? {
        inner.reserve(requests, runsAgain: runsAgain, within: limit) { [points] result in
            completion(
                result.map { sessions in
                    sessions.enumerated().map { branch, session in
                        FailingSession(inner: session, points: points, branch: branch)
                    }
                })
        }
    }

    func workOrder(_ requests: [SessionRequest]) -> [Int]? { inner.workOrder(requests) }

    func waits(in name: String) async throws(ParticipantUnreachable) -> [LockWaitReport] {
        try await inner.waits(in: name)
    }

    func waits(of transaction: GlobalTransactionID) async -> [LockWaitReport] {
        await inner.waits(of: transaction)
    }

    func preparedTransactions(
        in name: String
    ) async throws(ParticipantUnreachable) -> [PreparedTransaction] {
        try await inner.preparedTransactions(in: name)
    }

    func inventory(of name: String) async throws(ParticipantUnreachable) -> PreparedInventory {
        try await inner.inventory(of: name)
    }

    func connectNow(to name: String) { inner.connectNow(to: name) }

    func statuses() async -> [ParticipantStatus] { await inner.statuses() }

    var waitingRequestCount: Int { get async { await inner.waitingRequestCount } }
}

/// A working session with failpoints around its work, which ends with the PREPARE.
struct FailingSession: BranchSession {
    let inner: any BranchSession
    let points: Failpoints
    let branch: Int

    var participantVersion: Int? { inner.participantVersion }

    func work(_ request: WorkRequest, then completion: @escaping Completion<WorkReport>) {
        points.hit(.work, .before, branch: branch)
        inner.work(request) { [points, branch] report in
            points.hit(.work, .after, branch: branch)
            completion(report)
        }
    }

    var server: ServerTimeline? { inner.server }

    func commit(
        _ entry: JournalEntry?, then completion: @escaping Completion<LocalCommitReport>
    ) {
        points.hit(.commitLocally, .before, branch: branch)
        inner.commit(entry) { [points, branch] report in
            points.hit(.commitLocally, .after, branch: branch)
            completion(report)
        }
    }

    func finish(
        _ decision: Decision, then completion: @escaping Completion<FinishReport>
    ) {
        points.hit(.release, .before, branch: branch)
        inner.finish(decision) { [points, branch] report in
            points.hit(.release, .after, branch: branch)
            completion(report)
        }
    }

    func cancel() { inner.cancel() }

    func release() { inner.release() }
}

/// The branch that a gid of ours names.
private func number(ofBranch gid: String, _ installation: String) -> Int? {
    switch PreparedTransactionName.ownership(of: gid, installation: installation) {
    case .ours(_, let branch): branch
    case .foreign: nil
    }
}
#endif
