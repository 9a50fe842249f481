public import CommitProtocol

/// Which server a session is on; a transaction id, a row or its absence means nothing on another.
public struct ServerTimeline: Sendable, Hashable {
    /// The cluster's system identifier.
    public let systemIdentifier: String
    /// The timeline that it writes.
    public let timeline: UInt32

    /// Makes an identity of its parts.
    public init(systemIdentifier: String, timeline: UInt32) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
    }
}

/// The decision commit, as a journal keeps it beside the work that it is about.
public struct JournalEntry: Sendable, Hashable {
    /// The transaction.
    public let transaction: GlobalTransactionID
    /// What PREPARE left in each branch to prove its end with.
    public let evidence: [PreparedEvidence?]
    /// The encoded results, if a repeated key is to be answered with them.
    public let results: [UInt8]?

    /// Makes an entry of its parts.
    public init(
        transaction: GlobalTransactionID, evidence: [PreparedEvidence?], results: [UInt8]?
    ) {
        self.transaction = transaction
        self.evidence = evidence
        self.results = results
    }
}

/// How the register's own COMMIT went.
public struct LocalCommitReport: Sendable {
    /// The reply, for the protocol.
    public let reply: LocalCommitReply
    /// Why it was rolled back.
    public let failure: BranchFailure?

    /// Makes a report of its parts.
    public init(_ reply: LocalCommitReply, failure: BranchFailure? = nil) {
        self.reply = reply
        self.failure = failure
    }
}

/// The question what a register holds.
public struct CommitPointQuery: Sendable {
    /// What is asked.
    public enum Source: Sendable, Hashable {
        /// PostgreSQL's own record of the one-phase branch's transaction id.
        case transactionStatus(PreparedEvidence?)
        /// The journal that was on this server when the transaction was accepted.
        case journal(ServerTimeline?)
    }

    /// The participant's name.
    public let participant: String
    /// The transaction.
    public let transaction: GlobalTransactionID
    /// The branch that is the register.
    public let branch: Int
    /// What is asked.
    public let commitPoint: Source
    /// Which sessions have to be gone first.
    public let fence: Fence

    /// Makes an order of its parts.
    public init(
        participant: String, transaction: GlobalTransactionID, branch: Int, commitPoint: Source,
        fence: Fence
    ) {
        self.participant = participant
        self.transaction = transaction
        self.branch = branch
        self.commitPoint = commitPoint
        self.fence = fence
    }
}

/// What a register was seen to hold, by somebody who only looks.
public enum CommitPointReading: Sendable, Hashable {
    /// This decision, durably; with the evidence that it keeps of every branch, and the results.
    case holds(Decision, evidence: [PreparedEvidence?], results: [UInt8]?)
    /// It has not decided; or it has no more need to know, which is after the row says the same.
    case nothing
    /// It does not answer, or not for certain.
    case unknown(reason: String)
    /// It is not the database that it was, and nothing there proves anything.
    case unprovable(reason: String)
}

/// What a register answered.
public struct CommitPointReport: Sendable {
    /// The answer, for the protocol.
    public let answer: CommitPointAnswer
    /// The results that the journal keeps beside a commit.
    public let results: [UInt8]?
    /// What stood in the way, safe to show.
    public let error: String?

    /// What is seen in a register is its answer; this stands in the way if that is nothing.
    public init(_ reading: CommitPointReading, whenNothing obstacle: String) {
        switch reading {
        case .holds(let decision, let evidence, let results):
            self.init(.decided(decision, evidence: evidence), results: results)
        case .nothing: self.init(.tryAgain, error: obstacle)
        case .unknown(let reason): self.init(.tryAgain, error: reason)
        case .unprovable(let reason): self.init(.unprovable, error: reason)
        }
    }

    /// Makes a report of its parts.
    public init(_ answer: CommitPointAnswer, results: [UInt8]? = nil, error: String? = nil) {
        self.answer = answer
        self.results = results
        self.error = error
    }
}
