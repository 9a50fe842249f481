import CommitProtocol
import TransactionEngine

/// The result of a transaction that committed; the initializer throws for every other answer.
struct CommitResult {
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
                "the state database did not confirm the accept record; "
                    + "the transaction will never commit")
            throw .aborted(Aborted(id: nil, cause: cause))
        case .refused(let failure):
            throw .aborted(Aborted(id: nil, cause: Aborted.Cause(failure)))
        case .replayed, .keyInProgress, .keyReused:
            preconditionFailure("a transaction without a key cannot meet its own key")
        }
    }

    private init(
        _ record: TransactionRecord, _ works: [ErasedWork], isLogless: Bool
    ) throws(TransactionError) {
        id = TransactionID(record.id.description)
        // No known decision, or a branch was committed by hand against an abort. "Aborted" would
        // claim that nothing is committed anywhere.
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
    fileprivate init(_ failure: AdmissionFailure) {
        let (code, reason): (Refusal.Code, String)
        switch failure {
        case .cancelled:
            self = .cancelled
            return
        case .unknownParticipant(_, let name):
            (code, reason) = (.invalid, "the configuration has no database \"\(name)\"")
        case .unacceptableSQL(let branch, let statement, let why):
            (code, reason) = (.invalid, "participant \(branch), statement \(statement): \(why)")
        case .notOnePhase(let writers):
            (code, reason) = (.invalid, "expected one participant that writes, got \(writers)")
        case .tooManyBranches(_, let participant, let count, let limit):
            let sentence =
                "\(count) participants use \(participant), which has \(limit) connections"
            (code, reason) = (.invalid, sentence)
        case .participantUnavailable(let name, let why):
            (code, reason) = (.databaseUnavailable, "\(name) cannot be reached: \(why)")
        case .preparedTransactionsDisabled(let name):
            let sentence = "\(name) has max_prepared_transactions = 0"
            (code, reason) = (.preparedTransactionsDisabled, sentence)
        case .slotsExhausted(let name, let usage):
            (code, reason) = (.preparedTransactionsExhausted, usage.message(participant: name))
        case .participantBusy(let name, let sessions, let waited):
            (code, reason) = (.overloaded, sessions.message(participant: name, waited: waited))
        case .overloaded(let overload):
            (code, reason) = (.overloaded, overload.message)
        case .draining:
            (code, reason) = (.notRunning, "the coordinator is shutting down")
        case .stateUnavailable(let why):
            (code, reason) = (.stateDatabaseUnavailable, why)
        }
        self = .refused(Refusal(code: code, description: reason))
    }
}
