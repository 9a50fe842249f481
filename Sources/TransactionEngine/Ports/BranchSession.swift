package import CommitProtocol
package import EventLoop

/// Asks for a session for a branch.
package struct SessionRequest: Sendable, Hashable {
    /// The participant's name.
    package let participant: String
    /// The branch's commit mode, which says whether it needs a slot for a prepared transaction.
    package let commitMode: CommitMode
    /// A hash of the SQL of its statements, without the parameters; 0 for all closures.
    package let shape: Int
    /// Hashes of the parameters' values, of all statements in order; one of all values if there are more
    /// than 64.
    package let parameters: [Int]

    package init(
        participant: String, commitMode: CommitMode, shape: Int = 0, parameters: [Int] = []
    ) {
        self.participant = participant
        self.commitMode = commitMode
        self.shape = shape
        self.parameters = parameters
    }
}

/// A session that one branch has to itself until it has voted, or until it has finished if it is
/// not prepared.
///
/// A completion is called once, on the loop, and possibly before the function returns.
@LoopActor
package protocol BranchSession: Sendable {
    /// The version of the participant, which names the very server; nil if it is not recorded.
    nonisolated var participantVersion: Int? { get }
    /// The server at the other end, as it was when the session was opened; nil if it is lost.
    var server: ServerTimeline? { get }
    /// Runs the work, prepares it and gives the session back; or holds it open, by the commit mode.
    ///
    /// Failures are votes.
    func work(_ request: WorkRequest, then completion: @escaping Completion<WorkReport>)
    /// Has the commit point commit what it holds; with this entry in its journal, if it keeps one.
    func commit(
        _ entry: JournalEntry?, then completion: @escaping Completion<LocalCommitReport>)
    /// Commits or rolls back what it holds, and gives the session back.
    func finish(_ decision: Decision, then completion: @escaping Completion<FinishReport>)
    /// Begins to cancel the work that is running.
    func cancel()
    /// Gives the session back unused.
    func release()
}

/// What a branch has to do.
package struct WorkRequest: Sendable {
    /// The name to prepare under.
    package let gid: String
    /// What to do before the vote.
    package let work: BranchWork
    /// The isolation.
    package let isolation: Isolation
    /// Whether it is prepared, or held open, after the work.
    package let commitMode: CommitMode
    /// How long a statement may wait for a lock; nil for the participant's `lock_timeout`.
    package var lockTimeout: Duration?
    /// The id of the first run of its request: the transaction's age, by which the victim of a deadlock
    /// is chosen.
    package let age: GlobalTransactionID
    /// Called with the reason if the branch votes no.
    var onRefusal: (@Sendable (BranchFailure) -> Void)?

    package init(
        gid: String, work: BranchWork, isolation: Isolation, commitMode: CommitMode = .twoPhase,
        age: GlobalTransactionID
    ) {
        self.age = age
        self.gid = gid
        self.work = work
        self.isolation = isolation
        self.commitMode = commitMode
    }
}

/// How the work went.
package struct WorkReport: Sendable {
    /// The vote, for the protocol.
    package let reply: WorkReply
    /// The results of the statements that ran.
    package let results: [StatementResult]
    /// Why the vote is no.
    package let failure: BranchFailure?
    /// The session that worked, for the fence.
    package let session: SessionIdentity?

    package init(
        reply: WorkReply, results: [StatementResult], failure: BranchFailure?,
        session: SessionIdentity?
    ) {
        self.reply = reply
        self.results = results
        self.failure = failure
        self.session = session
    }
}

/// A server process of PostgreSQL; its start distinguishes it from a later one with the same pid.
package struct SessionIdentity: Sendable, Hashable {
    /// The backend's pid.
    package let processID: Int32
    /// `pg_stat_activity.backend_start`, in microseconds since 1970.
    package let startedAt: String
    /// The system identifier of the server where the pid means something.
    package let systemIdentifier: String

    package init(processID: Int32, startedAt: String, systemIdentifier: String) {
        self.processID = processID
        self.startedAt = startedAt
        self.systemIdentifier = systemIdentifier
    }
}
