/// The outcome of a call of `run` that did not return ``Committed``.
public enum TransactionError: Error, Sendable {
    /// Nothing is committed in any database, nor ever will be.
    case aborted(Aborted)
    /// The decision is commit, but at least one database has not confirmed it.
    case committed(CommittedInPart)
    /// The outcome is not known yet, or a branch was committed against an abort.
    ///
    /// Ask ``Coordinator/status(of:)``.
    case unknown(UnknownOutcome)
}

/// A transaction that committed nothing.
public struct Aborted: Sendable {
    /// The reason for an abort.
    public enum Cause: Sendable {
        /// This participant's closure threw this error.
        case work(participant: Int, any Error)
        /// This participant could not be prepared, for a reason other than its closure's error.
        case branch(participant: Int, BranchError)
        /// The time limit passed before the decision.
        case deadline
        /// The task that ran the transaction was cancelled.
        case cancelled
        /// The coordinator refused the transaction and recorded nothing.
        ///
        /// If the state database was lost at that moment, closures may have begun; their work is
        /// rolled back.
        case refused(Refusal)
        /// This coordinator, or another that shares its log, aborted it; the sentence says why.
        case coordinator(String)
    }

    /// The transaction's id, if it got one.
    public let id: TransactionID?
    /// The reason for the abort.
    public let cause: Cause

    /// The error that a closure threw, if that is the cause.
    public var workError: (any Error)? {
        if case .work(_, let error) = cause { error } else { nil }
    }

    /// The failure of a participant, if that is the cause, whether or not its closure rethrew it.
    public var branchError: BranchError? {
        switch cause {
        case .work(_, let error): error as? BranchError
        case .branch(_, let error): error
        case .deadline, .cancelled, .refused, .coordinator: nil
        }
    }
}

/// Why the coordinator refused a transaction.
public struct Refusal: Sendable, Hashable, CustomStringConvertible {
    /// The kind of reason.
    public enum Code: Sendable, Hashable {
        /// The run is invalid: no participant, an unknown database, more participants in a database
        /// than it has connections, or a statement that is not allowed in a transaction.
        case invalid
        /// A database cannot be reached.
        case databaseUnavailable
        /// A server has `max_prepared_transactions = 0`.
        case preparedTransactionsDisabled
        /// A server has no free slot for a prepared transaction.
        case preparedTransactionsExhausted
        /// Too many transactions are running or waiting, or no session became free in time
        /// (``Database/connections``).
        case overloaded
        /// The coordinator is stopped or cannot start.
        case notRunning
        /// The state database does not answer or reports an error.
        case stateDatabaseUnavailable
    }

    /// The kind of reason.
    public let code: Code
    /// One sentence for people.
    public let description: String
}

/// A transaction whose commit is decided but not confirmed by every database.
public struct CommittedInPart: Sendable, Hashable {
    /// The transaction's id.
    public let id: TransactionID
    /// The databases that did not confirm.
    public let unconfirmed: [UnconfirmedBranch]
    /// Whether the coordinator still tries to commit them.
    ///
    /// If not, a branch was finished against the decision, or nothing proves how, and an operator
    /// has to resolve it.
    public let isBeingRetried: Bool
}

/// A transaction whose outcome is not known yet.
///
/// If its status is ``TransactionStatus/needsOperator``, an operator has to resolve it.
public struct UnknownOutcome: Sendable, Hashable {
    /// The transaction's id, for ``Coordinator/status(of:)``.
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
        case .deadline: "the timeout passed before the decision"
        case .cancelled: "the task was cancelled"
        case .refused(let refusal): "\(refusal)"
        case .coordinator(let reason): reason
        }
    }
}
