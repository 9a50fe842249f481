import CommitProtocol
import TransactionEngine

/// A commit, as the engine answers it; every other answer is an error.
struct RunEnd {
    let id: TransactionID
    let unconfirmed: [UnconfirmedBranch]

    init(
        _ answer: TransactionAnswer, _ works: [ErasedWork], isLogless: Bool
    ) throws(TransactionError) {
        switch answer {
        case .known(let record), .decided(let record):
            try self.init(record, works, isLogless: isLogless)
        case .outcomeUnknown(let id):
            throw .unknown(UnknownOutcome(id: TransactionID(id.description)))
        case .neverCommits:
            let cause = Aborted.Cause.coordinator(
                "the state database did not confirm that it was recorded; it will never commit")
            throw .aborted(Aborted(id: nil, cause: cause))
        case .refused(let failure):
            throw .aborted(Aborted(id: nil, cause: Aborted.Cause(failure)))
        case .replayed, .keyInProgress, .keyReused:
            preconditionFailure("a run without a key cannot meet another of its key")
        }
    }

    private init(
        _ record: TransactionRecord, _ works: [ErasedWork], isLogless: Bool
    ) throws(TransactionError) {
        id = TransactionID(record.id.description)
        // Nothing decided that anybody can tell, or a branch committed by hand against an abort: whoever
        // says aborted says that nothing is committed anywhere.
        if record.needsOperator, record.decision != .commit {
            throw .unknown(UnknownOutcome(id: id))
        }
        guard record.decision == .commit else {
            let cause = StoredProblem(record.problem).cause(works)
            throw .aborted(Aborted(id: id, cause: cause))
        }
        unconfirmed = record.branches.enumerated().compactMap { index, branch in
            guard branch.outcome != .committed else { return nil }
            return UnconfirmedBranch(
                participant: index, database: branch.participant,
                preparedTransaction: branch.gid,
                finding: branch.outcome?.rawValue ?? branch.lastError)
        }
        if record.needsOperator || (isLogless && !unconfirmed.isEmpty) {
            throw .committed(
                CommittedInPart(
                    id: id, unconfirmed: unconfirmed, isBeingRetried: !record.needsOperator))
        }
    }
}

extension Aborted.Cause {
    init(_ failure: AdmissionFailure) {
        func refused(_ code: Refusal.Code, _ reason: String) -> Aborted.Cause {
            .refused(Refusal(code: code, description: reason))
        }
        switch failure {
        case .cancelled:
            self = .cancelled
        case .unknownParticipant(_, let name):
            self = refused(.invalid, "the coordinator was given no database \"\(name)\"")
        case .unacceptableSQL(let branch, let statement, let reason):
            self = refused(.invalid, "participant \(branch), statement \(statement): \(reason)")
        case .notOnePhase(let writers):
            self = refused(.invalid, "\(writers) participants write, where one may")
        case .tooManyBranches(_, let participant, let count, let limit):
            self = refused(
                .invalid,
                "\(count) participants name \(participant), which has \(limit) connections")
        case .participantUnavailable(let name, let reason):
            self = refused(.databaseUnavailable, "\(name) cannot be reached: \(reason)")
        case .preparedTransactionsDisabled(let name):
            self = refused(
                .preparedTransactionsDisabled, "\(name) has max_prepared_transactions = 0")
        case .slotsExhausted(let name, let usage):
            self = refused(.preparedTransactionsExhausted, usage.sentence(name))
        case .participantBusy(let name, let sessions, let waited):
            self = refused(.overloaded, sessions.sentence(name, waited: waited))
        case .overloaded(let overload):
            self = refused(.overloaded, overload.sentence)
        case .draining:
            self = refused(.notRunning, "the coordinator is being shut down")
        case .stateUnavailable(let reason):
            self = refused(.stateDatabaseUnavailable, reason)
        }
    }
}
