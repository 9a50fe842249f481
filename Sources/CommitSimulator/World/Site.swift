internal import CommitProtocol

/// A participant, as far as one branch goes.
struct Site: Hashable, Sendable {
    enum Standing: Hashable { case nothing, open, prepared, committed, rolledBack }

    /// The first owner's session there: a server process with a life of its own.
    ///
    /// Later lives open none that could prepare or decide.
    enum Session: Hashable {
        /// Not used yet.
        case none
        /// Its client gave it up; what it was sent runs at some time, or never.
        case workReplyLost, commitReplyLost
        /// Its transaction is open.
        case holds
        /// Closed or terminated.
        case gone
    }

    let commitMode: CommitMode
    var standing = Standing.nothing
    var session = Session.none
    /// A fence has passed: no session of an older epoch counts here any more.
    var isFenced = false
    /// What the journal says.
    var journal: Decision?
    /// The evidence of every branch that the journal keeps beside a commit.
    var journalEvidence: [PreparedEvidence?] = []
    var isJournalRemoved = false
    /// An operator or a backup ended the branch; no rule can make that right.
    var isMeddledWith = false
    /// It was restored: the timeline is another one, and transaction ids mean nothing.
    var isRestored = false
    /// How often the work took effect.
    var executions = 0

    init(commitMode: CommitMode) { self.commitMode = commitMode }

    /// What a register holds, where something is held.
    var recordedDecision: Decision? {
        switch commitMode {
        case .twoPhase, .readOnly: nil
        case .journal: journal
        case .onePhase: standing == .committed ? .commit : nil
        }
    }

    /// The session's end ends the transaction that it holds.
    mutating func endSession() {
        session = .gone
        if standing == .open { standing = .rolledBack }
    }

    /// The session does its work.
    mutating func work() {
        guard standing == .nothing else { return }
        switch commitMode {
        case .twoPhase:
            standing = .prepared
            session = .gone
        case .readOnly, .onePhase, .journal:
            standing = .open
            session = .holds
        }
    }

    /// The session's COMMIT runs: the work, and in the journal the decision with it.
    mutating func commitLocally(_ evidence: [PreparedEvidence?]) -> LocalCommitReply {
        defer { session = .gone }
        guard standing == .open, commitMode != .journal || journal == nil else {
            if standing == .open { standing = .rolledBack }
            return .rolledBack
        }
        standing = .committed
        executions += 1
        if commitMode == .journal {
            journal = .commit
            journalEvidence = evidence
        }
        return .committed
    }
}
