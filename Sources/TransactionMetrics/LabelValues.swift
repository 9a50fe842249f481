import CommitProtocol
import EventLoop
import TransactionEngine

/// How a transaction ended here.
enum EndOutcome: String, CaseIterable {
    case committed, aborted
    /// Aborted, and its request runs again under another id.
    case retried
    case needsOperator = "needs_operator"

    @LoopActor
    init(_ transaction: ObservedTransaction) {
        switch transaction.state {
        case .committed, .committing: self = .committed
        case .needsOperator: self = .needsOperator
        case .aborted, .aborting, .active, .preparing:
            self = transaction.isRetried ? .retried : .aborted
        }
    }
}

extension CommitMode {
    /// As the value of a label.
    var labelValue: String {
        switch self {
        case .twoPhase: "two_phase"
        case .readOnly: "read_only"
        case .onePhase: "one_phase"
        case .journal: "journal"
        }
    }
}

extension Hazard.Kind {
    /// Those that a state database can have: nothing is prepared there.
    static let ofStateDatabase: [Self] = [
        .fsyncOff, .fullPageWritesOff, .asynchronousStandby, .vacuumHeldUp, .wraparound,
        .roleExpires,
    ]

    /// As the value of a label.
    var labelValue: String {
        switch self {
        case .orphanTimeout: "orphan_timeout"
        case .scheduledJob: "scheduled_job"
        case .transactionPooler: "transaction_pooler"
        case .fsyncOff: "fsync_off"
        case .fullPageWritesOff: "full_page_writes_off"
        case .asynchronousStandby: "asynchronous_standby"
        case .vacuumHeldUp: "vacuum_held_up"
        case .wraparound: "wraparound"
        case .roleExpires: "role_expires"
        }
    }
}

/// What a request is answered.
enum AnswerKind: String, CaseIterable {
    case committed
    /// Decided, or not yet decided, within the time that a caller waits.
    case committing
    case aborted
    case needsOperator = "needs_operator"
    case unknown, refused
    /// The answer of an earlier request with the same key.
    case replayed
    /// The key is another request's, or its first request still runs.
    case keyConflict = "key_conflict"

    init(_ answer: TransactionAnswer) {
        switch answer {
        case .known(let record) where record.needsOperator: self = .needsOperator
        case .known(let record):
            switch record.state {
            case .committed: self = .committed
            case .active, .preparing, .committing: self = .committing
            case .aborting, .aborted: self = .aborted
            case .needsOperator: self = .needsOperator
            }
        case .replayed: self = .replayed
        case .decided: self = .committing
        case .outcomeUnknown: self = .unknown
        case .neverCommits: self = .aborted
        case .refused: self = .refused
        case .keyInProgress, .keyReused: self = .keyConflict
        }
    }
}

/// Why a request was refused.
package enum RefusalReason: String, CaseIterable {
    /// The request cannot be run as it is.
    case invalid
    case unknownParticipant = "unknown_participant"
    case participantUnavailable = "participant_unavailable"
    case slotsExhausted = "slots_exhausted"
    case participantBusy = "participant_busy"
    case overloaded, draining, cancelled
    case stateUnavailable = "state_unavailable"
    /// The coordinator does not run: of the library alone.
    case notRunning = "not_running"

    init(_ failure: AdmissionFailure) {
        switch failure {
        case .unknownParticipant: self = .unknownParticipant
        case .unacceptableSQL, .tooManyBranches, .notOnePhase: self = .invalid
        case .participantUnavailable: self = .participantUnavailable
        case .preparedTransactionsDisabled, .slotsExhausted: self = .slotsExhausted
        case .participantBusy: self = .participantBusy
        case .overloaded: self = .overloaded
        case .draining: self = .draining
        case .cancelled: self = .cancelled
        case .stateUnavailable: self = .stateUnavailable
        }
    }
}

/// What made a run of a transaction abort.
enum AbortReason: String, CaseIterable {
    case statement, deadlock
    case serializationFailure = "serialization_failure"
    case lockTimeout = "lock_timeout"
    case selfDeadlock = "self_deadlock"
    case unexpectedRows = "unexpected_rows"
    case cannotBePrepared = "cannot_be_prepared"
    case deferredConstraint = "deferred_constraint"
    case slotsExhausted = "slots_exhausted"
    case prepare
    case resultTooLarge = "result_too_large"
    case connectionLost = "connection_lost"
    /// The caller's own code threw an error, or broke a rule.
    case callerCode = "caller_code"
    case deadline, requested
    /// It is unknown whether it was accepted.
    case acceptanceUnknown = "acceptance_unknown"
    /// Recovery, an operator or another replica aborted it.
    case recovery

    init(_ cause: AbortCause?, _ failure: BranchFailure?) {
        switch cause {
        case .refused: self = AbortReason(failure)
        case .deadlinePassed: self = .deadline
        case .requested: self = .requested
        case .acceptanceUnknown: self = .acceptanceUnknown
        case .recovered, .decidedElsewhere, nil: self = .recovery
        }
    }

    private init(_ failure: BranchFailure?) {
        switch failure?.report?.sqlState {
        case "40P01":
            self = .deadlock
            return
        case "40001":
            self = .serializationFailure
            return
        case "55P03":
            self = .lockTimeout
            return
        default: break
        }
        switch failure?.kind {
        case .statement, nil: self = .statement
        case .rowsUnexpected: self = .unexpectedRows
        case .cannotBePrepared: self = .cannotBePrepared
        case .constraintAtPrepare: self = .deferredConstraint
        case .slotsExhausted, .preparedTransactionsDisabled: self = .slotsExhausted
        case .prepare, .commit, .notDurable: self = .prepare
        case .resultTooLarge: self = .resultTooLarge
        case .connectionLost: self = .connectionLost
        case .blockedByItself: self = .selfDeadlock
        case .deadlock: self = .deadlock
        case .cancelled: self = .requested
        case .wroteWhileReadOnly, .workThrew, .workUnfinished, .unacceptableSQL:
            self = .callerCode
        }
    }
}

extension RecoveryAction {
    /// As the value of a label.
    var labelValue: String {
        switch self {
        case .abortedExpired: "aborted_expired"
        case .recordedAbort: "recorded_abort"
        case .rolledBack: "rolled_back"
        }
    }
}

/// Instruments by the cases of an enumeration, which has few: an index, no hashing.
struct ByCase<Case: CaseIterable & Equatable & Sendable, Instrument: Sendable>: Sendable
where Case.AllCases == [Case] {
    /// Kept, since the compiler makes the list of all cases anew each time.
    private let cases = Case.allCases
    private let instruments: [Instrument]

    init(_ make: (Case) -> Instrument) { instruments = cases.map(make) }

    subscript(_ value: Case) -> Instrument {
        guard let index = cases.firstIndex(of: value) else {
            preconditionFailure("a case is among all cases")
        }
        return instruments[index]
    }
}
