import CommitProtocol
import StatementGate

/// A branch of a request that may begin: its participant exists, and its statements are inspected.
struct InspectedBranch: Sendable {
    let participant: String
    let commitMode: CommitMode
    let work: BranchWork
    let isolation: Isolation
    let lockTimeout: Duration?
    let onRefusal: (@Sendable (BranchFailure) -> Void)?
    /// What it needs a session for.
    let sessionRequest: SessionRequest

    init(
        _ branch: TransactionRequest.Branch, commitMode: CommitMode, work: BranchWork,
        isolation: Isolation
    ) {
        participant = branch.participant
        self.commitMode = commitMode
        self.work = work
        self.isolation = branch.isolation ?? isolation
        lockTimeout = branch.lockTimeout
        onRefusal = branch.onRefusal
        sessionRequest = SessionRequest(
            participant: participant, commitMode: commitMode, shape: work.shape,
            parameters: work.parameterHashes)
    }
}

extension BranchWork {
    /// A hash of the SQL, without the parameters.
    fileprivate var shape: Int {
        guard case .statements(let statements) = self else { return 0 }
        // The texts were hashed when they were inspected. An odd factor keeps their order apart.
        return statements.reduce(0) { ($0 &+ $1.textHash) &* 0x9E37_79B9_7F4A_7C1 }
    }

    /// Hashes of the parameters' values, in order; one of all for a branch with many, which changes many rows.
    fileprivate var parameterHashes: [Int] {
        guard case .statements(let statements) = self else { return [] }
        let count = statements.reduce(0) { $0 + $1.statement.parameters.count }
        guard count <= 64 else { return [parametersHash(of: statements)] }
        var hashes: [Int] = []
        hashes.reserveCapacity(count)
        for statement in statements {
            for parameter in statement.statement.parameters { hashes.append(parameter.hashValue) }
        }
        return hashes
    }

    /// One hash of all values: the branch has parameters, and none of them is looked at by itself.
    private func parametersHash(of statements: [InspectedStatement]) -> Int {
        var hasher = Hasher()
        for statement in statements { hasher.combine(statement.statement.parameters) }
        return hasher.finalize()
    }
}

extension TransactionRequest {
    /// Refuses a request that can never run, and inspects its statements, which is done once.
    ///
    /// - Throws: ``AdmissionFailure`` for the first fault, in the order of the branches.
    func inspected(
        for participants: some Participants
    ) throws(AdmissionFailure) -> [InspectedBranch] {
        let commitModes = try commitModes(on: participants)
        var inspected: [InspectedBranch] = []
        inspected.reserveCapacity(branches.count)
        for (index, branch) in branches.enumerated() {
            guard let limit = participants.sessionsMax(of: branch.participant) else {
                throw .unknownParticipant(branch: index, name: branch.participant)
            }
            guard inspected.count(where: { $0.participant == branch.participant }) < limit else {
                throw .tooManyBranches(
                    branch: index, participant: branch.participant,
                    count: branches.count { $0.participant == branch.participant }, limit: limit)
            }
            inspected.append(
                InspectedBranch(
                    branch, commitMode: commitModes[index],
                    work: try branch.work.inspected(branch: index, for: commitModes[index]),
                    isolation: isolation))
        }
        return inspected
    }

    /// How each branch commits: as declared, and the first that writes where a journal is kept decides.
    private func commitModes(
        on participants: some Participants
    ) throws(AdmissionFailure) -> [CommitMode] {
        if isOnePhase {
            let writers = branches.count { !$0.isReadOnly }
            guard writers == 1 else { throw .notOnePhase(writers: writers) }
            return branches.map { $0.isReadOnly ? .readOnly : .onePhase }
        }
        let journal = branches.firstIndex {
            !$0.isReadOnly && participants.keepsJournal($0.participant)
        }
        return branches.enumerated().map { index, branch in
            if branch.isReadOnly { return .readOnly }
            return index == journal ? .journal : .twoPhase
        }
    }
}

extension TransactionRequest.Work {
    fileprivate func inspected(
        branch: Int, for commitMode: CommitMode
    ) throws(AdmissionFailure) -> BranchWork {
        switch self {
        case .interactive(let work): return .interactive(work)
        case .statements(let statements):
            var inspected: [InspectedStatement] = []
            inspected.reserveCapacity(statements.count)
            for (index, statement) in statements.enumerated() {
                do throws(StatementRefusal) {
                    inspected.append(
                        try InspectedStatement(inspecting: statement, for: commitMode))
                } catch {
                    throw .unacceptableSQL(
                        branch: branch, statement: index, reason: error.message)
                }
            }
            return .statements(inspected)
        }
    }
}
