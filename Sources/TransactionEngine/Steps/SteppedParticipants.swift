import CommitProtocol
import EventLoop

/// Participants with a gate around each branch's durable steps.
struct SteppedParticipants: Participants {
    let inner: any Participants
    let gate: any StepGate
    let installation: String

    var names: [String] { inner.names }

    func finish(
        _ request: FinishRequest, then completion: @escaping Completion<FinishReport>
    ) {
        let branch = number(ofBranch: request.gid, installation)
        let step: ProtocolStep
        if request.fence != .none {
            step = .fence
        } else {
            step = request.decision == .commit ? .commitPrepared : .rollbackPrepared
        }
        let subject = StepPlace.Subject.branch(gid: request.gid)
        gate.reach(StepPlace(step, .before, of: subject, branch: branch)) { [inner, gate] verdict in
            guard verdict == .goOn else { return completion(.disconnected) }
            inner.finish(request) { report in
                let place = StepPlace(
                    step, .after, of: subject, branch: branch, isDone: report.reply != .tryAgain)
                gate.reach(place) { verdict in
                    completion(verdict == .goOn ? report : .disconnected)
                }
            }
        }
    }

    func queryCommitPoint(_ query: CommitPointQuery) async -> CommitPointReport {
        let lost = CommitPointReport(.tryAgain, error: StepPlace.disconnected)
        let before = StepPlace(.queryCommitPoint, .before, branch: query.branch)
        guard await gate.reach(before) == .goOn else { return lost }
        let report = await inner.queryCommitPoint(query)
        let after = StepPlace(.queryCommitPoint, .after, branch: query.branch, isDone: true)
        return await gate.reach(after) == .goOn ? report : lost
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
        inner.reserve(requests, runsAgain: runsAgain, within: limit) { [gate] result in
            completion(
                result.map { sessions in
                    sessions.enumerated().map { branch, session in
                        SteppedSession(around: session, gate: gate, branch: branch)
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

/// The branch that a gid of ours names.
private func number(ofBranch gid: String, _ installation: String) -> Int? {
    switch PreparedTransactionName.ownership(of: gid, installation: installation) {
    case .ours(_, let branch): branch
    case .foreign: nil
    }
}
