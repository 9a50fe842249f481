/// Why a run did not simply commit; each case says the outcome.
public enum TransactionError: Error, Sendable {
    /// Nothing of it is committed in any database, nor ever will be.
    case aborted(Aborted)
    /// It is decided to commit, and at least one database could not confirm that it is.
    case committed(CommittedInPart)
    /// Nobody can say yet whether it is committed, or some of it is against an abort: ask.
    case unknown(UnknownOutcome)
}

/// A transaction of which nothing is committed.
public struct Aborted: Sendable {
    /// Why it was aborted.
    public enum Cause: Sendable {
        /// The closure of this participant threw this error.
        case work(participant: Int, any Error)
        /// This participant could not be prepared, for a reason that no closure of it threw.
        case branch(participant: Int, BranchError)
        /// The time to the decision was over.
        case deadline
        /// The task that ran it was cancelled.
        case cancelled
        /// It was refused, for the reason given, before anything was recorded of it. Closures may have
        /// begun where the state database was lost just then; what they did is rolled back.
        case refused(Refusal)
        /// The coordinator, or another that shares its log, aborted it; the sentence says why.
        case coordinator(String)
    }

    /// The transaction's id, if it got one.
    public let id: TransactionID?
    /// Why it was aborted.
    public let cause: Cause

    /// The error of the closure, if one threw.
    public var workError: (any Error)? {
        if case .work(_, let error) = cause { error } else { nil }
    }

    /// What went wrong in a database, if that is the cause: whether the closure passed the error on,
    /// as most do, or has not seen it.
    public var branchError: BranchError? {
        switch cause {
        case .work(_, let error): error as? BranchError
        case .branch(_, let error): error
        case .deadline, .cancelled, .refused, .coordinator: nil
        }
    }
}

/// Why a transaction was refused.
public struct Refusal: Sendable, Hashable, CustomStringConvertible {
    /// The kind of reason.
    public enum Code: Sendable, Hashable {
        /// A participant names a database that the coordinator was not given, there is none at all,
        /// a database is named more often than it has connections, or a statement that was given
        /// beforehand can be part of no transaction.
        case invalid
        /// A database cannot be reached.
        case databaseUnavailable
        /// `max_prepared_transactions` is zero in a database.
        case preparedTransactionsDisabled
        /// A database has no room for another prepared transaction.
        case preparedTransactionsExhausted
        /// As much is under way, or waiting, as may be, or no session was free in time
        /// (``Database/connections``).
        case overloaded
        /// The coordinator is stopped, or cannot start.
        case notRunning
        /// The state database does not answer, or refuses what it is asked.
        case stateDatabaseUnavailable
    }

    /// The kind of reason.
    public let code: Code
    /// One sentence for people.
    public let description: String
}

/// A transaction that is decided to commit and is not confirmed everywhere.
public struct CommittedInPart: Sendable, Hashable {
    /// The transaction's id.
    public let id: TransactionID
    /// The databases that did not confirm.
    public let unconfirmed: [UnconfirmedBranch]
    /// Whether the coordinator still tries to commit them; if not, somebody has ended a branch
    /// against the decision, or nothing proves how it ended, and an operator has to look.
    public let isBeingRetried: Bool
}

/// A transaction of which nobody can say yet how it ends, or whose branches an operator has to look at:
/// its status is ``TransactionStatus/needsOperator`` then.
public struct UnknownOutcome: Sendable, Hashable {
    /// The transaction's id: ``Coordinator/status(of:)`` tells as soon as it is known.
    public let id: TransactionID
}

extension TransactionError: CustomStringConvertible {
    /// The outcome, then the reason.
    public var description: String {
        switch self {
        case .aborted(let aborted):
            return "aborted: \(aborted.cause)"
        case .committed(let part):
            let names = part.unconfirmed.map(\.database).joined(separator: ", ")
            return part.isBeingRetried
                ? "committed (\(part.id)), not confirmed yet and retried in: \(names)"
                : "committed (\(part.id)), but found or ended otherwise in: \(names)"
        case .unknown(let unknown):
            return "outcome unknown: ask the coordinator for the status of \(unknown.id)"
        }
    }
}

extension Aborted.Cause: CustomStringConvertible {
    /// One sentence.
    public var description: String {
        switch self {
        case .work(let participant, let error): "participant \(participant) threw \(error)"
        case .branch(let participant, let error): "participant \(participant): \(error)"
        case .deadline: "the time to the decision was over"
        case .cancelled: "the task was cancelled"
        case .refused(let refusal): "\(refusal)"
        case .coordinator(let reason): reason
        }
    }
}
