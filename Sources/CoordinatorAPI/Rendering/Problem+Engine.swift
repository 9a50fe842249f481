import CommitProtocol
import TransactionEngine

/// What to do if nothing was accepted and the cause may pass.
private let sameRequest = "This request executed nothing; send it again later."

// MARK: Aborted transactions

extension Problem {
    /// Why a transaction was aborted.
    init(aborting record: TransactionRecord, _ cause: AbortCause, _ failure: BranchFailure?) {
        switch cause {
        case .refused(let branch):
            let participant = record.branches[branch].participant
            if let failure {
                self.init(
                    failure.problemType, failure.detail(in: participant), transaction: record.id,
                    postgres: failure.report)
                statement = failure.statement
                if case .deadlock(let cycle) = failure.kind { self.cycle = cycle.shown }
            } else {
                self.init(
                    .aborted, "The branch in \(participant) voted no.", transaction: record.id)
            }
            self.branch = branch
            self.participant = participant
        case .deadlinePassed:
            self.init(
                .deadlineExceeded,
                "Not every branch was ready to commit before the deadline. A longer "
                    + "timeoutMilliseconds may help.", transaction: record.id)
        case .requested:
            self.init(
                .rolledBackByRequest, "A rollback was requested before the decision.",
                transaction: record.id)
        case .acceptanceUnknown:
            self.init(
                .aborted,
                "The state database did not confirm that it had recorded the transaction.",
                transaction: record.id)
            isRetryable = true
        case .recovered:
            self.init(
                .aborted,
                "The replica that ran the transaction stopped before the decision, and another one, or "
                    + "its next start, rolled it back.", transaction: record.id)
            isRetryable = true
        case .decidedElsewhere:
            self.init(
                .aborted,
                "Recovery, another replica or an operator recorded the abort; the transaction's status lists "
                    + "what operators did.",
                transaction: record.id)
            isRetryable = true
        }
        addRuns(record.attempt)
        if isRetryable { add(Self.advice(hasKey: record.idempotency != nil)) }
    }

    /// What to do after an abort: the old key would only give the recorded abort again.
    private static func advice(hasKey: Bool) -> String {
        hasKey ? "Try again with a new Idempotency-Key." : "Try again."
    }

    /// Adds a sentence to the detail, which may be PostgreSQL's text without a full stop.
    private mutating func add(_ sentence: String) {
        detail += (detail.hasSuffix(".") ? " " : ". ") + sentence
    }

    /// Says how often the request was run, if that was more than once.
    private mutating func addRuns(_ count: Int) {
        guard count > 1 else { return }
        add(
            "tandem ran the request \(count) times; each run before this one lost to other "
                + "transactions.")
    }

    /// A detail without the advice to try again.
    private static func withoutAdvice(_ detail: String) -> String {
        for hasKey in [true, false] {
            let advice = " " + advice(hasKey: hasKey)
            if detail.hasSuffix(advice) { return String(detail.dropLast(advice.count)) }
        }
        return detail
    }

    /// A recorded problem of a run that was not the last of its request: there is nothing to repeat.
    static func ranAgain(_ stored: [UInt8], as next: GlobalTransactionID) -> [UInt8] {
        guard case .object(let members)? = try? JSONReader.read(stored) else { return stored }
        let sentence = "tandem ran the request again, as \(next)."
        var writer = JSONWriter(capacity: stored.count + 128)
        writer.value(
            .object(
                members.map { member in
                    switch (member.name, member.value) {
                    case ("detail", .string(let detail)):
                        let detail = withoutAdvice(detail)
                        let end = detail.hasSuffix(".") ? " " : ". "
                        return JSONMember(member.name, .string(detail + end + sentence))
                    case ("retryable", _): return JSONMember(member.name, .bool(false))
                    default: return member
                    }
                }))
        return writer.bytes
    }
}

extension BranchFailure {
    fileprivate var problemType: ProblemType {
        switch kind {
        case .statement, .wroteWhileReadOnly: .statementFailed
        case .rowsUnexpected: .unexpectedRowCount
        case .cannotBePrepared, .preparedTransactionsDisabled: .cannotBePrepared
        case .constraintAtPrepare: .deferredConstraintFailed
        case .blockedByItself: .selfDeadlock
        case .deadlock: .deadlock
        case .resultTooLarge: .resultTooLarge
        case .connectionLost: .participantLost
        case .unacceptableSQL: .statementNotAllowed
        case .slotsExhausted, .prepare, .commit, .cancelled, .notDurable, .workThrew,
            .workUnfinished:
            .aborted
        }
    }

    fileprivate func detail(in participant: String) -> String {
        let report = report.map { ": \($0.message)" } ?? "."
        let place = statement.map { "Statement \($0) in \(participant)" } ?? participant
        switch kind {
        case .statement:
            return "\(place) failed\(report)"
        case .rowsUnexpected(let expected, let actual):
            return "\(place): expected \(expected) affected or returned rows, got \(actual)."
        case .cannotBePrepared:
            return
                "The branch in \(participant) used what PREPARE TRANSACTION does not allow\(report)"
        case .constraintAtPrepare:
            return "A deferred constraint or trigger failed in \(participant)\(report)"
        case .slotsExhausted:
            return "\(participant) has no free slot for a prepared transaction\(report)"
        case .preparedTransactionsDisabled:
            return "\(participant) does not allow prepared transactions\(report)"
        case .prepare:
            return "PREPARE TRANSACTION failed in \(participant)\(report)"
        case .commit:
            return "COMMIT failed in \(participant)\(report)"
        case .wroteWhileReadOnly:
            return "The branch in \(participant) is declared readOnly, but it wrote."
        case .resultTooLarge:
            return "\(place) returned more rows or bytes than limits.resultRows or "
                + "limits.resultBytes of this replica allow. Return fewer rows or columns, or have the "
                + "limits raised."
        case .connectionLost:
            return "The connection to \(participant) was lost during the work."
        case .blockedByItself(let branch, let statement):
            let holder =
                statement.map { "statement \($0) of branch \(branch)" } ?? "branch \(branch)"
            return "\(place) waited for a lock that \(holder) of the same transaction holds until "
                + "both branches end, so it could never succeed. Put both statements into one "
                + "branch."
        case .deadlock(let cycle):
            return
                "\(place) waited for a lock in a cycle of \(cycle.waits.count) waits, each for the "
                + "next one's lock. tandem aborted this transaction, the youngest of tandem's in the "
                + "cycle, so that the others could go on."
        case .cancelled:
            return
                "tandem cancelled the work in \(participant), because the transaction is aborted."
        case .notDurable:
            return
                "\(participant) could not confirm that its standby has the transaction, so the branch "
                + "voted no. Check that server's synchronous standbys."
        case .workThrew:
            return "The closure for \(participant) threw an error."
        case .workUnfinished:
            return
                "The closure for \(participant) returned while one of its statements was still running."
        case .unacceptableSQL(let reason):
            return reason
        }
    }
}

// MARK: Transactions that need an operator

extension Problem {
    /// Why a transaction is reported neither as committed nor as aborted; nil if it is, or will be.
    init?(needsOperator record: TransactionRecord) {
        guard record.needsOperator else { return nil }
        guard let decision = record.decision else {
            self.init(
                .outcomeUnknown,
                "Nothing proves what was decided: the server that held the decision is gone or was "
                    + "replaced, or its record of the transaction is too old. An operator must "
                    + "decide with POST .../resolution.",
                transaction: record.id)
            return
        }
        let contrary = record.branches.enumerated().filter { $1.outcome?.isAsDecided == false }
        let list = contrary.map { "branch \($0) in \($1.participant) \($1.outcomeInWords)" }
        var detail =
            "The decision is to \(decision.rawValue), but \(list.joined(separator: "; ")). "
            + Self.advice(resolving: contrary.map(\.offset), of: record)
        if let cause = record.problem.flatMap(Self.detail(of:)) {
            detail += " Reason for the abort: \(cause)"
        }
        self.init(.needsOperator, detail, transaction: record.id)
        branch = contrary.first?.offset
        participant = contrary.first?.element.participant
    }

    /// What an operator has to do about these branches, or has done.
    private static func advice(resolving branches: [Int], of record: TransactionRecord) -> String {
        guard record.resolutionCount > 0 else {
            return "An operator must check the data and record the result with POST "
                + ".../resolution."
        }
        // A record that was read for an answer may come without its resolutions.
        return record.statedBranches.isSuperset(of: branches)
            ? "An operator has recorded what became of each; the transaction's status lists it."
            : "The transaction's status lists what operators have recorded; every other branch "
                + "needs POST .../resolution."
    }

    /// The detail of a recorded problem, without its advice.
    private static func detail(of stored: [UInt8]) -> String? {
        (try? JSONReader.read(stored))?["detail"]?.string.map(withoutAdvice)
    }

    /// A recorded problem of an abort, without its claim that no branch took effect.
    static func withoutClaim(_ stored: [UInt8]) -> [UInt8] {
        guard case .object(let members)? = try? JSONReader.read(stored) else { return stored }
        let claims = ["outcome", "retryable"]
        var writer = JSONWriter(capacity: stored.count + 32)
        writer.value(
            .object(
                members.filter { !claims.contains($0.name) }.map { member in
                    guard member.name == "detail", case .string(let detail) = member.value else {
                        return member
                    }
                    return JSONMember(member.name, .string(withoutAdvice(detail)))
                } + [
                    JSONMember("retryable", .bool(false)),
                    JSONMember("outcome", .string(ProblemOutcome.needsOperator.rawValue)),
                ]))
        return writer.bytes
    }
}

extension BranchRecord {
    fileprivate var outcomeInWords: String {
        let name = outcome?.rawValue ?? ""
        return switch outcome {
        case .committed, .heuristicCommit: "was committed (\(name))"
        case .rolledBack, .heuristicRollback: "was rolled back (\(name))"
        case .heuristicMixed: "was committed in part (\(name))"
        case nil, .heuristicHazard:
            "may have been committed or rolled back, and nothing proves which (\(name))"
        }
    }
}

// MARK: Nothing was accepted

extension Problem {
    /// Why a participant cannot be read.
    init(_ error: ParticipantUnreachable, reading name: String) {
        self.init(.participantUnavailable, "Cannot read \(name): \(error.reason)")
        if !detail.hasSuffix(".") { detail += "." }
        participant = name
        // A read accepts nothing, so it cannot say that nothing was accepted.
        outcome = nil
    }

    /// Why a transaction cannot be read.
    init(_ error: LogUnavailable, of id: GlobalTransactionID? = nil) {
        if error.isOutcomeUnknown, let id {
            self.init(.outcomeUnknown, error.reason, transaction: id)
        } else {
            let object = id == nil ? "transactions" : "the transaction"
            self.init(.stateDatabaseUnavailable, "Cannot read \(object): \(error.reason).")
            // A read accepts nothing, so it cannot say that nothing was accepted.
            outcome = nil
        }
    }

    /// Why nothing was accepted.
    init(_ failure: AdmissionFailure) {
        switch failure {
        case .unknownParticipant(let branch, let name):
            self.init(
                .unknownParticipant,
                "No participant is named \"\(name)\"; GET /v1/participants lists all.")
            self.branch = branch
            pointer = "/branches/\(branch)/participant"
        case .unacceptableSQL(let branch, let statement, let reason):
            self.init(.statementNotAllowed, reason)
            self.branch = branch
            self.statement = statement
            pointer = "/branches/\(branch)/statements/\(statement)/sql"
        case .tooManyBranches(let branch, let participant, let count, let limit):
            self.init(
                .tooManyBranches,
                "\(count) branches name \(participant), whose poolSize is \(limit), and each "
                    + "branch needs its own session. Put their statements into fewer branches, or "
                    + "raise poolSize.")
            self.branch = branch
            self.participant = participant
            pointer = "/branches/\(branch)"
        case .notOnePhase(let writers):
            self.init(
                .onePhaseNotPossible,
                "Expected exactly one branch that writes, got \(writers). Declare the others "
                    + "readOnly, or omit onePhase.")
            pointer = "/onePhase"
        case .participantUnavailable(let name, let reason):
            self.init(
                .participantUnavailable,
                "This request executed nothing, because \(name) cannot be reached: \(reason)")
            participant = name
        case .preparedTransactionsDisabled(let name):
            self.init(
                .preparedTransactionsDisabled,
                "\(name) has max_prepared_transactions = 0. Raise it there, and restart that "
                    + "server.")
            participant = name
        case .slotsExhausted(let name, let usage):
            self.init(
                .participantSlotsExhausted, "\(usage.message(participant: name)) \(sameRequest)")
            participant = name
        case .participantBusy(let name, let sessions, let waited):
            let message = sessions.message(participant: name, waited: waited)
            self.init(.participantBusy, "\(message) \(sameRequest)")
            participant = name
        case .overloaded(let overload):
            self.init(.overloaded, "\(overload.message) \(sameRequest)")
        case .draining:
            self.init(
                .draining,
                "This replica is stopping. This request executed nothing; send it to another replica."
            )
        case .cancelled:
            self.init(.aborted, "This request executed nothing, because it was cancelled.")
        case .stateUnavailable(let reason):
            self.init(
                .stateDatabaseUnavailable,
                "The state database did not take this request: \(reason). It will not be committed, "
                    + "and tandem rolls back any work that it has begun. An earlier request with the "
                    + "same Idempotency-Key may have been executed. Send this request again later.")
        }
    }
}

extension AdmissionFailure {
    /// What a caller is answered.
    package var detail: String { Problem(self).detail }
}
