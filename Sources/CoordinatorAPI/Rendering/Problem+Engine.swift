import CommitProtocol
import TransactionEngine

extension Problem {
    /// Why a transaction was aborted.
    init(_ record: TransactionRecord, _ cause: AbortCause, _ failure: BranchFailure?) {
        switch cause {
        case .refused(let branch):
            self = Problem.refused(failure, participant: record.branches[branch].participant)
            self.branch = branch
            participant = record.branches[branch].participant
        case .deadlinePassed:
            self.init(
                .deadlineExceeded,
                "The time to the decision was over before every branch had voted yes.")
        case .requested:
            self.init(.rolledBackByRequest, "It was rolled back because that was asked for.")
        case .acceptanceUnknown:
            self.init(
                .aborted, "The state database could not say whether it had been accepted.")
            isRetryable = true
        case .recovered:
            self.init(
                .aborted,
                "The coordinator stopped before anything was decided; recovery rolled it back.")
            isRetryable = true
        case .decidedElsewhere:
            self.init(.aborted, "Its abort was recorded by a recovery pass or another replica.")
            isRetryable = true
        }
        transaction = record.id.description
    }

    private static func refused(_ failure: BranchFailure?, participant: String) -> Problem {
        guard let failure else {
            return Problem(.aborted, "The branch in \(participant) voted no.")
        }
        var problem = Problem(type(of: failure.kind), sentence(failure, participant))
        if let report = failure.report {
            var postgres = PostgresFailure(sqlstate: report.sqlState, message: report.message)
            postgres.detail = report.detail
            postgres.hint = report.hint
            postgres.position = report.position
            postgres.context = report.context
            postgres.schema = report.schema
            postgres.table = report.table
            postgres.column = report.column
            postgres.constraint = report.constraint
            problem = Problem(problem.type, problem.detail, postgres: postgres)
        }
        problem.statement = failure.statement
        return problem
    }

    private static func type(of kind: BranchFailure.Kind) -> ProblemType {
        switch kind {
        case .statement: .statementFailed
        case .rowsUnexpected: .rowsUnexpected
        case .cannotBePrepared, .preparedTransactionsDisabled: .cannotBePrepared
        case .constraintAtPrepare: .constraintAtPrepare
        case .blockedByItself: .blockedByItself
        case .resultTooLarge: .resultTooLarge
        case .connectionLost: .participantLost
        case .unacceptableSQL: .unacceptableSQL
        case .wroteWhileReadOnly: .statementFailed
        case .slotsExhausted, .prepare, .commit, .cancelled, .notDurable, .workThrew,
            .workUnfinished:
            .aborted
        }
    }

    private static func sentence(_ failure: BranchFailure, _ participant: String) -> String {
        let said = failure.report.map { ": \($0.message)" } ?? "."
        let place = failure.statement.map { "Statement \($0) in \(participant)" } ?? participant
        switch failure.kind {
        case .statement:
            return "\(place) failed\(said)"
        case .rowsUnexpected(let expected, let actual):
            return "\(place) was to affect or return \(expected) rows, and it was \(actual)."
        case .cannotBePrepared:
            return "What was done in \(participant) cannot be part of a prepared transaction\(said)"
        case .constraintAtPrepare:
            return "A deferred constraint or trigger failed in \(participant)\(said)"
        case .slotsExhausted:
            return "\(participant) has no slot left for a prepared transaction\(said)"
        case .preparedTransactionsDisabled:
            return "\(participant) has prepared transactions disabled\(said)"
        case .prepare:
            return "The transaction in \(participant) could not be prepared\(said)"
        case .commit:
            return "The transaction in \(participant) could not be committed\(said)"
        case .wroteWhileReadOnly:
            return "\(participant) was declared read only, and has written."
        case .resultTooLarge:
            return "\(place) returned more rows or bytes than are allowed."
        case .connectionLost:
            return "The connection to \(participant) was lost while it worked."
        case .blockedByItself(let branch, let statement):
            let holder =
                statement.map { "statement \($0) of branch \(branch)" } ?? "branch \(branch)"
            return
                "\(place) waited for a lock that \(holder) of the same transaction holds until both "
                + "have ended, so it can never succeed. Put both statements into one branch."
        case .cancelled:
            return "The work in \(participant) was cancelled."
        case .notDurable:
            return "\(participant) could not confirm that its standby has the transaction."
        case .workThrew:
            return "The program's own work in \(participant) threw an error."
        case .workUnfinished:
            return "The program's own work in \(participant) left a statement running."
        case .unacceptableSQL(let reason):
            return reason
        }
    }

    /// Why nothing can be told.
    init(unreadable error: LogUnavailable) {
        self.init(.stateDatabaseUnavailable, "It cannot be told: \(error.reason).")
    }

    /// Why nothing was accepted.
    init(_ failure: AdmissionFailure) {
        switch failure {
        case .unknownParticipant(let branch, let name):
            self.init(.unknownParticipant, "No participant is named \"\(name)\".")
            self.branch = branch
            pointer = "/branches/\(branch)/participant"
        case .unacceptableSQL(let branch, let statement, let reason):
            self.init(.unacceptableSQL, reason)
            self.branch = branch
            self.statement = statement
            pointer = "/branches/\(branch)/statements/\(statement)/sql"
        case .tooManyBranches(let branch, let participant, let count, let limit):
            self.init(
                .tooManyBranches,
                "\(count) branches name \(participant), whose poolSize allows \(limit): each needs a "
                    + "session of its own. Put their statements into fewer branches, or raise it.")
            self.branch = branch
            self.participant = participant
            pointer = "/branches/\(branch)"
        case .notOnePhase(let writers):
            self.init(
                .notOnePhase,
                "One phase is for exactly one branch that writes, and here are \(writers); declare "
                    + "the others read only, or leave onePhase out.")
            pointer = "/onePhase"
        case .participantUnavailable(let name, let reason):
            self.init(.participantUnavailable, "\(name) cannot be reached: \(reason)")
            participant = name
        case .preparedTransactionsDisabled(let name):
            self.init(
                .preparedTransactionsDisabled,
                "\(name) has max_prepared_transactions = 0; it has to be raised there.")
            participant = name
        case .slotsExhausted(let name, let usage):
            self.init(.participantSlotsExhausted, usage.sentence(name))
            participant = name
        case .participantBusy(let name, let sessions, let waited):
            self.init(.participantBusy, sessions.sentence(name, waited: waited))
            participant = name
        case .overloaded(let overload):
            self.init(.overloaded, overload.sentence)
        case .draining:
            self.init(.draining, "This replica is stopping.")
        case .cancelled:
            self.init(.aborted, "Nothing was accepted: the request was cancelled.")
        case .stateUnavailable(let reason):
            self.init(
                .stateDatabaseUnavailable, "Nothing was accepted: \(reason).")
        }
    }
}
