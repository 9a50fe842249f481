import CommitProtocol

/// One transaction that this replica is driving: the machine, and what the shell holds for it.
///
/// It is an object because every event changes it: a copy in and out of the table of drives would
/// cost more than what the machine does. The engine alone touches it.
final class ActiveTransaction {
    var machine: Coordinator
    var record: TransactionRecord
    let work: [WorkRequest]
    /// When the branches work; those that were ordered to, and wait for their turn.
    let order: TransactionRequest.Order
    var queued: [Int] = []
    var sessions: [(any BranchSession)?]
    var reports: [WorkReport?]
    var fences: [Fence]
    /// The decision that the record was completed for.
    var preparedFor: Decision? = nil
    /// Whether the record's problem is the one that another replica wrote beside the abort.
    private(set) var obeysAbort = false
    let deadline: Int64
    var timers: [Timer: any ScheduledTimer] = [:]
    var answer: CheckedContinuation<CallerReply, Never>? = nil
    /// Whether its caller would rather hear of the decision than of the end.
    var prefersDecision = false
    /// Whether its caller was told of the commit before its end: it is under way, and nobody waits.
    var isUnattended = false
    var watchers: [CheckedContinuation<Void, Never>] = []
    /// Why the log did not take the acceptance, if it did not.
    var unavailability: String? = nil
    /// Branches whose heuristic outcome is in the log, and how many such outcomes the row tells of.
    var loggedHeuristics: Set<Int> = []
    var notedHeuristics = 0

    init(
        machine: Coordinator, record: TransactionRecord, work: [WorkRequest],
        order: TransactionRequest.Order, sessions: [(any BranchSession)?],
        reports: [WorkReport?], fences: [Fence], deadline: Int64,
        answer: CheckedContinuation<CallerReply, Never>? = nil
    ) {
        self.machine = machine
        self.record = record
        self.work = work
        self.order = order
        self.sessions = sessions
        self.reports = reports
        self.fences = fences
        self.deadline = deadline
        self.answer = answer
    }

    /// What the caller is told: the reply, and all that was known at that moment.
    struct CallerReply {
        let reply: Reply
        let record: TransactionRecord
        /// Why the log did not take the acceptance, if it did not.
        let unavailability: String?
        /// Said at the decision because that was preferred, and not because a bound had passed.
        let isAtDecision: Bool
    }

    /// Whether it was taken over: another life began it.
    var isAdopted: Bool { work.isEmpty }

    /// Tells the caller the reason that the row holds, whatever makes the machine abort.
    func obeyAbort(of row: TransactionRecord) {
        guard machine.decision == nil, let problem = row.problem else { return }
        record.problem = problem
        // A commit may have been asked for, with these beside it; it cannot be answered any more.
        record.results = nil
        record.areResultsOmitted = false
        obeysAbort = true
    }

    /// The record with all that the machine knows.
    var view: TransactionRecord {
        var view = record
        view.state = machine.state
        view.decision = machine.decision
        for (index, branch) in machine.branches.enumerated() {
            view.branches[index].vote = branch.vote
            view.branches[index].evidence = branch.evidence
            view.branches[index].outcome = branch.outcome
            view.branches[index].retries = branch.retries
        }
        return view
    }

    /// The failure of the branch that made the transaction abort.
    var decisiveFailure: BranchFailure? {
        guard case .refused(let branch) = machine.cause else { return nil }
        return reports[branch]?.failure
    }
}
