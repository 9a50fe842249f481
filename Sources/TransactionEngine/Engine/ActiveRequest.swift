import CommitProtocol
import EventLoop

/// One request from its first transaction to its answer.
///
/// A request may run several times: a transaction that lost to others is aborted, and the next one runs
/// the same work. Only the last one is answered for.
@LoopActor
final class ActiveRequest {
    /// Under which this replica knows a request that has an idempotency key.
    struct Key: Hashable {
        let principal: String
        let digest: [UInt8]
    }

    let request: TransactionRequest
    let branches: [InspectedBranch]
    /// What a transaction of it needs sessions for.
    let sessionRequests: [SessionRequest]
    /// In milliseconds of the engine's clock; the same for all runs.
    let deadline: Int64
    /// When it arrived, in microseconds of the engine's clock.
    let start: Int64
    /// The id of the first run, by which the victim of a deadlock is chosen; nil before that one begins.
    private var age: GlobalTransactionID?
    /// The caller, until it is answered.
    private var completion: Completion<TransactionAnswer>?
    /// The transaction that runs now, or ran last.
    private(set) var transaction: ActiveTransaction?
    /// Takes the reply to the waiting request; nil before the first run begins, and once it was called.
    var caller: (@LoopActor (ActiveTransaction.CallerReply) -> Void)?
    /// Whether the caller, an operator or the replica's stop asked for a rollback.
    private(set) var isRollbackRequested = false
    /// Gives up the wait of a run for its sessions.
    var cancelReservation: (@LoopActor () -> Void)?

    /// Makes the request that arrived at `start`, in microseconds; `completion` is called once, with its answer.
    init(
        _ request: TransactionRequest, _ branches: [InspectedBranch], start: Int64,
        then completion: @escaping Completion<TransactionAnswer>
    ) {
        self.request = request
        self.branches = branches
        self.start = start
        self.completion = completion
        sessionRequests = branches.map(\.sessionRequest)
        deadline = start / 1000 + request.timeout.milliseconds
    }

    /// Nil for a request without an idempotency key.
    var key: Key? {
        request.idempotency.map { Key(principal: request.principal, digest: $0.keyDigest) }
    }

    /// Answers the caller, which is done once.
    func answer(_ answer: TransactionAnswer) {
        let completion = completion
        self.completion = nil
        completion?(answer)
    }

    /// The order in which its branches work, each after the one before it has voted; nil if all work at
    /// once.
    func workOrder(_ participants: any Participants) -> [Int]? {
        guard branches.count > 1 else { return nil }
        switch request.execution {
        case .inOrder: return Array(branches.indices)
        case .parallel: return participants.workOrder(sessionRequests)
        }
    }

    /// Lets no transaction follow the one that runs.
    func requestRollback() { isRollbackRequested = true }

    /// Gives up the wait for sessions, if it waits for some.
    func giveUpReservation() {
        let giveUp = cancelReservation
        cancelReservation = nil
        giveUp?()
    }

    /// Forgets the transaction when it has ended: the two hold each other.
    func ended(_ ended: ActiveTransaction) {
        if transaction === ended { transaction = nil }
    }

    /// Takes a transaction for the one that is answered for.
    func proceed(with transaction: ActiveTransaction) { self.transaction = transaction }

    // MARK: Its transactions

    /// Makes the first transaction, with a session for each branch.
    func makeFirst(
        _ id: GlobalTransactionID, sessions: [any BranchSession], journal: ServerTimeline?,
        context: EngineContext
    ) -> ActiveTransaction {
        age = id
        let now = context.clock.wallTime
        // The row's deadline counts from now, the machine's from the request's arrival: so the owner
        // aborts before another replica does.
        var record = TransactionRecord(
            id: id, request: request, owner: context.log.replica, epoch: context.log.epoch,
            acceptedAt: now, deadline: now + request.timeout.milliseconds * 1000,
            branches: branchRecords(of: id, versions: sessions.map(\.participantVersion), context))
        record.journal = journal
        let transaction = ActiveTransaction(
            record, zip(work(for: record), sessions).map { ActiveBranch(work: $0, session: $1) },
            of: self, at: context.clock.microseconds)
        self.transaction = transaction
        return transaction
    }

    /// Makes the transaction that follows one, to be accepted by the write that aborts it.
    ///
    /// It has no sessions yet. It belongs to the same servers, since its row says so before it has
    /// any.
    func makeSuccessor(
        _ id: GlobalTransactionID, of former: TransactionRecord, context: EngineContext
    ) -> ActiveTransaction {
        var record = TransactionRecord(
            id: id, request: request, owner: context.log.replica, epoch: context.log.epoch,
            acceptedAt: context.clock.wallTime, deadline: former.deadline,
            branches: branchRecords(of: id, versions: former.branches.map(\.version), context))
        record.journal = former.journal
        record.attempt = former.attempt + 1
        record.retryOf = former.id
        return ActiveTransaction(
            record, work(for: record).map { ActiveBranch(work: $0) }, of: self,
            at: context.clock.microseconds)
    }

    private func branchRecords(
        of id: GlobalTransactionID, versions: [Int?], _ context: EngineContext
    ) -> [BranchRecord] {
        branches.indices.map { index in
            var record = BranchRecord(
                participant: branches[index].participant,
                gid: context.log.preparedName(of: id, branch: index, branchCount: branches.count),
                commitMode: branches[index].commitMode)
            record.version = versions[index]
            return record
        }
    }

    private func work(for record: TransactionRecord) -> [WorkRequest] {
        zip(branches, record.branches).map { [age = age ?? record.id] branch, record in
            var work = WorkRequest(
                gid: record.gid, work: branch.work, isolation: branch.isolation,
                commitMode: record.commitMode, age: age)
            work.lockTimeout = branch.lockTimeout
            work.onRefusal = branch.onRefusal
            return work
        }
    }
}

/// The cancelling of a task that waits for a request, which may come before the request is let in.
@LoopActor
final class RequestCancellation {
    private var isCancelled = false
    /// Cancels the request.
    var onCancel: (@LoopActor () -> Void)? {
        didSet { if isCancelled { onCancel?() } }
    }

    nonisolated init() {}

    func cancel() {
        isCancelled = true
        onCancel?()
    }
}
