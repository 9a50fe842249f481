package import CommitProtocol

/// Which server a session is on.
///
/// A transaction id, a row or its absence means nothing on another server or timeline.
package struct ServerTimeline: Sendable, Hashable {
    /// The cluster's system identifier.
    package let systemIdentifier: String
    /// The timeline that it writes.
    package let timeline: UInt32

    package init(systemIdentifier: String, timeline: UInt32) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
    }
}

/// The decision to commit, as a journal keeps it with the work that it decides.
package struct JournalEntry: Sendable, Hashable {
    /// The transaction.
    package let transaction: GlobalTransactionID
    /// The evidence of each prepared branch.
    package let evidence: [PreparedEvidence?]
    /// The encoded results, if a repeated key is to be answered with them.
    package let results: [UInt8]?

    package init(
        transaction: GlobalTransactionID, evidence: [PreparedEvidence?], results: [UInt8]?
    ) {
        self.transaction = transaction
        self.evidence = evidence
        self.results = results
    }
}

/// How the commit point's own COMMIT went.
package struct LocalCommitReport: Sendable {
    /// The reply, for the protocol.
    package let reply: LocalCommitReply
    /// Why it was rolled back.
    package let failure: BranchFailure?

    package init(_ reply: LocalCommitReply, failure: BranchFailure? = nil) {
        self.reply = reply
        self.failure = failure
    }
}

/// Asks what a commit point decided.
package struct CommitPointQuery: Sendable {
    /// Where the decision is read.
    package enum Source: Sendable, Hashable {
        /// PostgreSQL's own record of the one-phase branch's transaction id.
        case transactionStatus(PreparedEvidence?)
        /// The journal that was on this server when the transaction was accepted.
        case journal(ServerTimeline?)
    }

    /// The participant's name.
    package let participant: String
    /// The transaction.
    package let transaction: GlobalTransactionID
    /// The branch that is the commit point.
    package let branch: Int
    /// Where the decision is read.
    package let commitPoint: Source
    /// Which sessions have to be gone first.
    package let fence: Fence

    package init(
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
package enum CommitPointReading: Sendable, Hashable {
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
package struct CommitPointReport: Sendable {
    /// The answer, for the protocol.
    package let answer: CommitPointAnswer
    /// The results that the journal keeps with a commit.
    package let results: [UInt8]?
    /// What stood in the way, safe to show.
    package let error: String?

    /// Makes a report of a reading; `obstacle` is the error if the commit point holds nothing.
    package init(_ reading: CommitPointReading, whenNothing obstacle: String) {
        switch reading {
        case .holds(let decision, let evidence, let results):
            self.init(.decided(decision, evidence: evidence), results: results)
        case .nothing: self.init(.tryAgain, error: obstacle)
        case .unknown(let reason): self.init(.tryAgain, error: reason)
        case .unprovable(let reason): self.init(.unprovable, error: reason)
        }
    }

    package init(_ answer: CommitPointAnswer, results: [UInt8]? = nil, error: String? = nil) {
        self.answer = answer
        self.results = results
        self.error = error
    }
}
