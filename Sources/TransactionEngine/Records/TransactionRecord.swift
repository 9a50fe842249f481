package import CommitProtocol

/// A point in time: microseconds since 1970, UTC.
package typealias Timestamp = Int64

/// One branch as the state database and callers see it.
package struct BranchRecord: Sendable, Hashable {
    /// The participant's registered name.
    package let participant: String
    /// The exact name given to `PREPARE TRANSACTION`.
    ///
    /// A branch that is not prepared has one as well, which holds its number within the transaction.
    package let gid: String
    /// How it commits.
    package let commitMode: CommitMode
    /// The version of the participant, which names the very server; nil if it was not recorded.
    package var version: Int?
    /// The vote, once known.
    package var vote: Vote?
    /// The evidence that PREPARE left, which proves how the branch was finished.
    package var evidence: PreparedEvidence?
    /// How the branch was finished.
    package var outcome: Outcome?
    /// How often finishing it had to be tried again.
    package var retries = 0
    /// The last failure met while finishing it; safe to show.
    package var lastError: String?

    /// Makes a branch that has not voted.
    package init(participant: String, gid: String, commitMode: CommitMode = .twoPhase) {
        self.participant = participant
        self.gid = gid
        self.commitMode = commitMode
    }
}

/// One global transaction as the state database and callers see it.
package struct TransactionRecord: Sendable {
    /// The transaction's id.
    package let id: GlobalTransactionID
    /// The caller it belongs to.
    package let principal: String
    /// The caller's key and body, digested.
    package let idempotency: TransactionRequest.Idempotency?
    /// The isolation of every branch.
    package let isolation: Isolation
    /// The caller's labels.
    package let labels: [TransactionRequest.Label]
    /// The caller's position in a trace; nil if it sent none.
    package var traceParent: TraceParent?
    /// The replica that coordinates it.
    package var owner: String
    /// The owner's epoch.
    package var epoch: Int64
    /// When it was accepted.
    package let acceptedAt: Timestamp
    /// When it is aborted if it is still undecided.
    package let deadline: Timestamp
    /// What is reported of it.
    package var state: TransactionState
    /// The decision, once durable.
    package var decision: Decision?
    /// When the decision was asked for.
    package var decidedAt: Timestamp?
    /// When every branch had finished.
    package var finishedAt: Timestamp?
    /// The branches, by number.
    package var branches: [BranchRecord]
    /// The branches' results, encoded by the interface that shows them; nil if there are none.
    package var results: [UInt8]?
    /// Whether results existed and were too large to store.
    package var areResultsOmitted = false
    /// Why it was aborted, encoded by the interface that shows it.
    package var problem: [UInt8]?
    /// How many resolutions by an operator are recorded for it.
    package var resolutionCount = 0
    /// The resolutions by an operator, where they were asked for.
    package var resolutions: [Resolution] = []
    /// The branches of which an operator has stated how they were finished; an order states nothing.
    package var statedBranches: Set<Int> {
        Set(resolutions.lazy.filter { !$0.isOrder }.map(\.branch))
    }
    /// Whether it is left undecided because the state database may have lost its decision.
    package var isHeld = false
    /// The server that keeps the journal, if a journal decides; another server's proves nothing.
    package var journal: ServerTimeline?
    /// Whether the row says that the one-phase branch decides.
    package var isDelegated = false
    /// Which run of its request it is, from 1.
    package var attempt = 1
    /// The run before it, which ended by a deadlock or the like.
    package var retryOf: GlobalTransactionID?
    /// The run after it, which holds the idempotency key now.
    package var retriedAs: GlobalTransactionID?
    /// Whether a replica asked for a rollback that only the owner can ask its commit point for.
    package var isRollbackRequested = false

    /// Makes a record of a transaction that is about to be accepted.
    package init(
        id: GlobalTransactionID, request: TransactionRequest, owner: String, epoch: Int64,
        acceptedAt: Timestamp, deadline: Timestamp, branches: [BranchRecord]
    ) {
        self.id = id
        principal = request.principal
        idempotency = request.idempotency
        isolation = request.isolation
        labels = request.labels
        traceParent = request.traceParent
        self.owner = owner
        self.epoch = epoch
        self.acceptedAt = acceptedAt
        self.deadline = deadline
        state = .active
        self.branches = branches
    }

    /// Makes a record of what a row holds.
    package init(
        id: GlobalTransactionID, principal: String,
        idempotency: TransactionRequest.Idempotency?, isolation: Isolation,
        labels: [TransactionRequest.Label], owner: String, epoch: Int64, acceptedAt: Timestamp,
        deadline: Timestamp, state: TransactionState, branches: [BranchRecord]
    ) {
        self.id = id
        self.principal = principal
        self.idempotency = idempotency
        self.isolation = isolation
        self.labels = labels
        self.owner = owner
        self.epoch = epoch
        self.acceptedAt = acceptedAt
        self.deadline = deadline
        self.state = state
        self.branches = branches
    }

    /// Makes the record of a row that is inserted, decided to abort, for prepared transactions that
    /// have none.
    init(
        orphan id: GlobalTransactionID, _ branches: [(participant: String, gid: String)],
        _ log: any DecisionLog, at now: Timestamp
    ) {
        self.init(
            id: id, principal: "", idempotency: nil, isolation: .readCommitted, labels: [],
            owner: log.replica, epoch: log.epoch, acceptedAt: now, deadline: now,
            state: .aborting,
            branches: branches.map { BranchRecord(participant: $0.participant, gid: $0.gid) })
        decision = .abort
        decidedAt = now
    }

    /// A text that changes whenever what is reported changes.
    package var version: String {
        let ended = branches.count { $0.outcome != nil }
        let retries = branches.reduce(0) { $0 + $1.retries }
        // Appended piece by piece, since every answer has it: interpolation makes a text of each piece.
        var version = id.description
        version += "-"
        version += state.rawValue
        version += "-"
        version += String(ended)
        version += "-"
        version += String(retries)
        if resolutionCount > 0 { version += "-\(resolutionCount)" }
        if isHeld { version += "-held" }
        if retriedAs != nil { version += "-again" }
        return version
    }
}

extension TransactionRecord {
    /// Whether this principal may see it; nil stands for an operator, who may see all.
    func isOf(_ principal: String?) -> Bool { principal == nil || self.principal == principal }
}
