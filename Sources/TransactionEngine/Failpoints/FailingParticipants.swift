#if TANDEM_FAILPOINTS
import CommitProtocol

/// Participants with failpoints around each branch's durable steps.
struct FailingParticipants: Participants {
    let inner: any Participants
    let points: Failpoints
    let installation: String

    var names: [String] { inner.names }

    func finish(_ request: FinishRequest) async -> FinishReport {
        let branch = number(ofBranch: request.gid, installation)
        let step: Failpoint.Step
        if request.fence != .none {
            step = .fence
        } else {
            step = request.decision == .commit ? .commitPrepared : .rollbackPrepared
        }
        points.hit(step, .before, branch: branch)
        let report = await inner.finish(request)
        points.hit(step, .after, branch: branch)
        return report
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
        _ requests: [SessionRequest], runsAgain: Bool, within limit: Duration
    ) async throws(AdmissionFailure) -> [any BranchSession] {
        try await inner.reserve(requests, runsAgain: runsAgain, within: limit).enumerated().map {
            branch, session in
            FailingSession(inner: session, points: points, branch: branch)
        }
    }

    func workOrder(_ requests: [SessionRequest]) -> [Int]? { inner.workOrder(requests) }

    func noteDeadlock(_ requests: [SessionRequest]) { inner.noteDeadlock(requests) }

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

    func statuses() async -> [ParticipantStatus] { await inner.statuses() }
}

/// A working session with failpoints around its work, which ends with the PREPARE.
struct FailingSession: BranchSession {
    let inner: any BranchSession
    let points: Failpoints
    let branch: Int

    var participantVersion: Int? { inner.participantVersion }

    func work(_ order: WorkRequest) async -> WorkReport {
        points.hit(.work, .before, branch: branch)
        let report = await inner.work(order)
        points.hit(.work, .after, branch: branch)
        return report
    }

    func server() async -> ServerTimeline? { await inner.server() }

    func commit(_ entry: JournalEntry?) async -> LocalCommitReport {
        points.hit(.commitLocally, .before, branch: branch)
        let report = await inner.commit(entry)
        points.hit(.commitLocally, .after, branch: branch)
        return report
    }

    func finish(_ decision: Decision) async -> FinishReport {
        points.hit(.release, .before, branch: branch)
        let report = await inner.finish(decision)
        points.hit(.release, .after, branch: branch)
        return report
    }

    func cancel() async { await inner.cancel() }

    func release() async { await inner.release() }
}

/// The branch that a gid of ours names.
private func number(ofBranch gid: String, _ installation: String) -> Int? {
    switch PreparedTransactionName.ownership(of: gid, installation: installation) {
    case .ours(_, let branch): branch
    case .foreign: nil
    }
}
#endif
