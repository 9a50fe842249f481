/// Why a branch voted no; shown to the caller.
package struct BranchFailure: Error, Sendable, Hashable {
    /// The kind of failure.
    package enum Kind: Sendable, Hashable {
        /// PostgreSQL refused a statement.
        case statement
        /// A statement affected or returned another number of rows than expected.
        case rowsUnexpected(expected: ExpectedRows, actual: Int)
        /// PREPARE refused what the transaction had done (temporary tables, NOTIFY, ...).
        case cannotBePrepared
        /// A deferred constraint or trigger failed after the last statement.
        case constraintAtPrepare
        /// The participant had no slot left for a prepared transaction.
        case slotsExhausted
        /// `max_prepared_transactions` is zero.
        case preparedTransactionsDisabled
        /// PREPARE failed for another reason.
        case prepare
        /// The COMMIT of a branch that is not prepared failed for another reason.
        case commit
        /// It was declared read-only, and wrote.
        case wroteWhileReadOnly
        /// The results have more rows or bytes than are allowed.
        case resultTooLarge
        /// The connection was lost.
        case connectionLost
        /// It waits for a lock that this other branch of the same transaction holds, and keeps until
        /// both have finished; with the statement that runs there, if it is known.
        case blockedByItself(branch: Int, statement: Int?)
        /// It waited in a cycle of waits for locks, each for the next one's, and tandem aborted its
        /// transaction so that the others can go on.
        case deadlock(LockCycle)
        /// The work was cancelled because the transaction is being aborted.
        case cancelled
        /// The participant waits for its standby, and the wait was cancelled: not a yes vote.
        case notDurable
        /// The caller's code threw an error.
        case workThrew
        /// The caller's code returned while a statement of its own was still running.
        case workUnfinished
        /// The caller's code used a statement that can be part of no branch, for this reason.
        case unacceptableSQL(reason: String)
    }

    /// What PostgreSQL said.
    package struct ServerReport: Sendable, Hashable {
        /// The SQLSTATE.
        package let sqlState: String
        /// The primary message.
        package let message: String
        /// The detail, if any.
        package let detail: String?
        /// The hint, if any.
        package let hint: String?
        /// The constraint that was violated, if any.
        package let constraint: String?
        /// The place in the statement, in characters from 1, if any.
        package var position: Int?
        /// The schema of the object concerned, if any.
        package var schema: String?
        /// The table concerned, if any.
        package var table: String?
        /// The column concerned, if any.
        package var column: String?
        /// In which functions it was raised, innermost first, if in any; like the detail it may hold
        /// values, so it is shown to the caller and never logged.
        package var context: String?

        /// Makes a report of its parts; where it happened can be added.
        package init(
            sqlState: String, message: String, detail: String? = nil, hint: String? = nil,
            constraint: String? = nil
        ) {
            self.sqlState = sqlState
            self.message = message
            self.detail = detail
            self.hint = hint
            self.constraint = constraint
        }
    }

    /// The kind of failure.
    package let kind: Kind
    /// The statement's number within its branch, if one is to blame.
    package let statement: Int?
    /// What PostgreSQL said, if it said anything.
    package let report: ServerReport?

    package init(_ kind: Kind, statement: Int? = nil, report: ServerReport? = nil) {
        self.kind = kind
        self.statement = statement
        self.report = report
    }

    /// Whether tandem chose the branch as the victim of a deadlock.
    package var isDeadlock: Bool {
        if case .deadlock = kind { true } else { false }
    }

    /// Whether the same work may succeed at once if it runs again from the start: it lost to other
    /// transactions, and nothing of it is left.
    package var isTransient: Bool {
        isLostDeadlock || report?.sqlState == "40001"
    }

    /// Whether it was cancelled in a deadlock, by tandem or by PostgreSQL.
    var isLostDeadlock: Bool { isDeadlock || report?.sqlState == "40P01" }
}

/// Why a request was refused before anything was accepted or sent.
package enum AdmissionFailure: Error, Sendable, Hashable {
    /// No participant of this name is registered.
    case unknownParticipant(branch: Int, name: String)
    /// A statement cannot be part of a transaction, for this reason.
    case unacceptableSQL(branch: Int, statement: Int, reason: String)
    /// More branches name one participant than it has sessions; `branch` is the first too many.
    case tooManyBranches(branch: Int, participant: String, count: Int, limit: Int)
    /// Expected exactly one branch that writes in a one-phase transaction, got this many.
    case notOnePhase(writers: Int)
    /// The participant cannot be reached.
    case participantUnavailable(name: String, reason: String)
    /// The participant has `max_prepared_transactions` set to zero.
    case preparedTransactionsDisabled(name: String)
    /// Too few slots for prepared transactions are left, as they were known then.
    case slotsExhausted(name: String, usage: SlotUsage)
    /// No session of the participant became free in time.
    case participantBusy(name: String, sessions: SessionUsage, waited: Duration)
    /// A limit on what is under way is reached.
    case overloaded(Overload)
    /// This replica is stopping.
    case draining
    /// The caller's task was cancelled.
    case cancelled
    /// The state database did not take the request, so nothing was accepted, for this reason.
    case stateUnavailable(reason: String)
}

/// The working sessions of a participant, all of which are busy.
package struct SessionUsage: Sendable, Hashable {
    /// How many there may be.
    package let limit: Int
    /// How many there are.
    package let open: Int
    /// How many of them contended transactions may use, if the request is one and waited for that.
    package let contendedLimit: Int?
    /// Why the last attempt to open one failed, if it did; safe to show.
    package let lastError: String?

    package init(
        limit: Int, open: Int, contendedLimit: Int? = nil, lastError: String? = nil
    ) {
        self.limit = limit
        self.open = open
        self.contendedLimit = contendedLimit
        self.lastError = lastError
    }
}

/// Which limit is reached.
package enum Overload: Sendable, Hashable {
    /// Transactions that were admitted and not answered yet.
    case transactions(limit: Int)
    /// Requests that wait for sessions of participants.
    case waiting(limit: Int)
    /// Requests for contended transactions that wait for sessions; they leave places to others.
    case waitingContended(limit: Int)
}
