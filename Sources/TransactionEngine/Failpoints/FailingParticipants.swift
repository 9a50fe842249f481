#if TANDEM_FAILPOINTS
import CommitProtocol

/// Participants with failpoints around each branch's durable steps.
struct FailingParticipants: Participants {
    let inner: any Participants
    let points: Failpoints
    let installation: String

    var names: [String] { inner.names }

    func end(_ order: EndOrder) async -> EndReport {
        let branch = number(ofBranch: order.gid, installation)
        let step: Failpoint.Step
        if order.fence != .none {
            step = .fence
        } else {
            step = order.decision == .commit ? .commitPrepared : .rollbackPrepared
        }
        points.hit(step, .before, branch: branch)
        let report = await inner.end(order)
        points.hit(step, .after, branch: branch)
        return report
    }

    func reserve(
        _ names: [String], within limit: Duration
    ) async throws(AdmissionFailure) -> [any BranchSession] {
        try await inner.reserve(names, within: limit).map {
            FailingSession(inner: $0, points: points, installation: installation)
        }
    }

    func inspect(_ branches: [TransactionRequest.Branch]) throws(AdmissionFailure) {
        try inner.inspect(branches)
    }

    func prepared(
        in name: String
    ) async throws(ParticipantUnreachable) -> [PreparedTransaction] {
        try await inner.prepared(in: name)
    }

    func statuses() async -> [ParticipantStatus] { await inner.statuses() }
}

/// A working session with failpoints around its work, which ends with the PREPARE.
struct FailingSession: BranchSession {
    let inner: any BranchSession
    let points: Failpoints
    let installation: String

    var participantVersion: Int? { inner.participantVersion }

    func work(_ order: WorkOrder) async -> WorkReport {
        let branch = number(ofBranch: order.gid, installation)
        points.hit(.work, .before, branch: branch)
        let report = await inner.work(order)
        points.hit(.work, .after, branch: branch)
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
