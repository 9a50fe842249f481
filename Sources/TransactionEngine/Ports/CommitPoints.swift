public import CommitProtocol

/// Which server a session is on.
///
/// A transaction id, a row or its absence means nothing on another server or timeline.
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

/// The decision to commit, as a journal keeps it with the work that it decides.
public struct JournalEntry: Sendable, Hashable {
    /// The transaction.
    public let transaction: GlobalTransactionID
    /// The evidence of each prepared branch.
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

/// How the commit point's own COMMIT went.
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

/// Asks what a commit point decided.
public struct CommitPointQuery: Sendable {
    /// Where the decision is read.
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
    /// The branch that is the commit point.
    public let branch: Int
    /// Where the decision is read.
    public let commitPoint: Source
    /// Which sessions have to be gone first.
    public let fence: Fence

    /// Makes a query of its parts.
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

/// What a commit point holds, as read without changing it.
public enum CommitPointReading: Sendable, Hashable {
    /// This decision, durably; with the evidence that it keeps of every branch, and the results.
    case holds(Decision, evidence: [PreparedEvidence?], results: [UInt8]?)
    /// No decision: it has not decided, or no longer keeps what the row says by now.
    case nothing
    /// It does not answer, or not for certain.
    case unknown(reason: String)
    /// It is not the database that it was, so nothing there proves anything.
    case unprovable(reason: String)
}

/// What a commit point answered.
public struct CommitPointReport: Sendable {
    /// The answer, for the protocol.
    public let answer: CommitPointAnswer
    /// The results that the journal keeps with a commit.
    public let results: [UInt8]?
    /// What stood in the way, safe to show.
    public let error: String?

    /// Makes a report of a reading; `obstacle` is the error if the commit point holds nothing.
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
