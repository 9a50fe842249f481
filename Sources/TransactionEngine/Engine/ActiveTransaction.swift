import CommitProtocol
import EventLoop

/// One transaction that this replica coordinates: its machine, its record, its branches' sessions
/// and its caller.
///
/// It is an object because every event changes it: copying it in and out of a table would cost more
/// than the machine does.
@LoopActor
final class ActiveTransaction {
    let id: GlobalTransactionID
    var machine: TransactionMachine
    var record: TransactionRecord
    var timeline: TransactionTimeline
    var branches: [ActiveBranch]
    /// Whether an earlier incarnation, or another replica, began it.
    let isAdopted: Bool
    /// The request that it runs; nil if it is adopted.
    let activeRequest: ActiveRequest?
    /// The order in which its branches work, each after the one before it has voted; nil if all work at
    /// once.
    var workOrder: [Int]?
    /// Branches whose work waits for its turn, in that order.
    var queued: [Int] = []
    /// The transaction that runs the request again, from the time at which the abort of this one is
    /// written.
    var successor: ActiveTransaction?
    /// Called once no branch works any more.
    private var workEnd: (@LoopActor () -> Void)?
    /// In milliseconds of the engine's clock.
    let deadline: Int64
    var timers: [Timer: any ScheduledTimer] = [:]
    /// When a branch is tried next, for those that wait for that.
    private(set) var nextAttempts: [Int: Timestamp] = [:]
    /// Whether an event is being handled.
    var isStepping = false
    /// Events that came while another was being handled.
    var inbox: [Event] = []
    /// Whether the caller was answered before the finish: nobody waits for the rest.
    var isUnattended = false
    /// Whether it has ended here: late reports about it are dropped.
    var isOver = false
    /// Why the log did not take the acceptance, if it did not.
    var unavailability: String?
    /// Branches whose heuristic outcome was logged.
    var loggedHeuristics: Set<Int> = []
    /// How many heuristic outcomes the row holds.
    var notedHeuristicCount = 0
    /// Whether the record's problem stays, whatever makes this machine abort.
    private var keepsProblem = false
    /// The decision that the record's results and problem belong to.
    private var completedFor: Decision?

    /// A transaction that is about to begin, at microseconds of the engine's clock.
    init(
        _ record: TransactionRecord, _ branches: [ActiveBranch], of active: ActiveRequest,
        at now: Int64
    ) {
        id = record.id
        timeline = TransactionTimeline(
            of: record.id, branchCount: branches.count, first: .accepted, at: record.acceptedAt,
            clock: now, traceContext: active.request.traceContext)
        machine = TransactionMachine(
            transaction: record.id, commitModes: record.branches.map(\.commitMode))
        self.record = record
        self.branches = branches
        isAdopted = false
        activeRequest = active
        deadline = active.deadline
    }

    /// A transaction whose row this replica has claimed, now.
    init(adopting row: TransactionRecord, at now: Timestamp, clock: Int64) {
        id = row.id
        timeline = TransactionTimeline(
            of: row.id, branchCount: row.branches.count, first: .takenOver, at: now, clock: clock)
        machine = TransactionMachine(
            transaction: row.id, commitModes: row.branches.map(\.commitMode))
        record = row
        branches = row.branches.map { _ in ActiveBranch(fence: .formerIncarnations) }
        isAdopted = true
        activeRequest = nil
        deadline = 0
        notedHeuristicCount = row.heuristicCount
        loggedHeuristics = row.heuristicBranches
    }

    /// What the caller gets: the machine's reply, and the record at that moment.
    struct CallerReply {
        let reply: Reply
        let record: TransactionRecord
        /// Why the log did not take the acceptance, if it did not.
        let unavailability: String?
        /// Answered at the decision because the caller preferred it, and not because a bound passed.
        let isAtDecision: Bool
    }

    /// Notes when a branch is tried next, if that is what the timer is for.
    func scheduled(_ timer: Timer, at now: @autoclosure () -> Timestamp, after delay: Duration) {
        guard let branch = branch(triedBy: timer) else { return }
        nextAttempts[branch] = now() + delay.milliseconds * 1000
    }

    /// Forgets when a branch is tried next: it is being tried.
    func began(_ timer: Timer) {
        if let branch = branch(triedBy: timer) { nextAttempts[branch] = nil }
    }

    private func branch(triedBy timer: Timer) -> Int? {
        switch timer {
        case .finishAgain(let branch): branch
        case .queryAgain: machine.commitPoint
        case .deadline, .finishWait, .decideAgain: nil
        }
    }

    /// Keeps what became of the work of a branch.
    func workEnded(_ report: WorkReport, of branch: Int) {
        branches[branch].report = report
        guard let workEnd, !isAtWork else { return }
        self.workEnd = nil
        workEnd()
    }

    /// Calls this once the work of every branch has ended; one caller at most waits.
    func whenWorkEnds(_ body: @escaping @LoopActor () -> Void) {
        if isAtWork { workEnd = body } else { body() }
    }

    private var isAtWork: Bool { branches.contains { $0.report == nil } }

    /// The request that waits for the answer of this transaction, and not of a later one; nil if none
    /// does.
    var waitingRequest: ActiveRequest? {
        guard let activeRequest, activeRequest.transaction === self, activeRequest.caller != nil
        else {
            return nil
        }
        return activeRequest
    }

    /// Whether the write that aborts it may have accepted a successor, and has not been answered yet.
    ///
    /// The abort is certain by then, and the request's outcome is not: it must not be reported as
    /// aborted, or its caller would have the work done twice.
    var awaitsSuccessor: Bool { successor != nil && activeRequest?.transaction === self }

    /// Whether its row is durable, so that its id may be reported.
    var isAccepted: Bool {
        machine.isAccepted || record.retryOf != nil && activeRequest?.transaction === self
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
        return branches[branch].report?.failure
    }

    /// Adopts the problem that another replica recorded with its abort, whatever makes this
    /// machine abort.
    func adoptProblem(of row: TransactionRecord) {
        guard machine.decision == nil, let problem = row.problem else { return }
        record.problem = problem
        // A commit may have been asked for with results; it cannot be the answer any more.
        record.results = nil
        record.areResultsOmitted = false
        keepsProblem = true
    }

    /// Sets the problem of an abort, whatever makes this machine abort.
    func keepProblem(_ problem: [UInt8]) {
        record.problem = problem
        keepsProblem = true
    }

    /// Completes the record with what is written together with the decision: results, or the problem.
    ///
    /// A commit point may refuse to commit; what belongs to one decision is then replaced by what
    /// belongs to the other.
    func complete(
        for decision: Decision, at time: Timestamp, encoding: OutcomeEncoding,
        _ limits: EngineLimits
    ) {
        guard completedFor != decision else { return }
        completedFor = decision
        record.decidedAt = time
        switch decision {
        case .commit where !isAdopted:
            let results = encoding.results(branches.map { $0.report?.results ?? [] })
            record.results = results
            if results.count > limits.storedResultBytesMax { record.areResultsOmitted = true }
        case .commit:
            // The results were in the memory of the incarnation that did the work.
            if record.results == nil { record.areResultsOmitted = true }
        case .abort:
            record.results = nil
            record.areResultsOmitted = false
            guard !keepsProblem, let cause = machine.cause else { return }
            record.problem = encoding.problem(record, cause, decisiveFailure)
        }
    }

    /// Completes the record for an abort that the log answered and this machine did not ask for.
    func completeForAbortElsewhere(_ encoding: OutcomeEncoding) {
        guard record.problem == nil else { return }
        record.problem = encoding.problem(
            record, machine.cause ?? .decidedElsewhere, decisiveFailure)
        record.results = nil
    }
}

/// What the engine holds for one branch of an active transaction.
struct ActiveBranch {
    /// What to do before the vote; nil if an earlier incarnation did the work.
    var work: WorkRequest?
    /// The branch's session, until it has voted, or finished if it is not prepared.
    var session: (any BranchSession)?
    /// How the work went.
    var report: WorkReport?
    /// Which sessions have to be gone before an absent gid is believed.
    var fence = Fence.none

    /// Believes an absent gid only once the session that worked is gone.
    mutating func fenceSession() {
        if let session = report?.session { fence = .session(session) }
    }
}
