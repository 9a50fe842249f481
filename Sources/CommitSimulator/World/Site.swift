internal import CommitProtocol

/// A branch in its participant.
struct Site: Hashable, Sendable {
    enum Standing: Hashable { case nothing, open, prepared, committed, rolledBack }

    /// The first owner's session, whose server process may outlive its client.
    ///
    /// Later incarnations open no session that could prepare or decide.
    enum Session: Hashable {
        /// Not used yet.
        case none
        /// The client is gone; what it sent runs later or never.
        case workReplyLost, commitReplyLost
        /// Its transaction is open.
        case holds
        /// Closed or terminated.
        case gone
    }

    let commitMode: CommitMode
    var standing = Standing.nothing
    var session = Session.none
    /// Whether a fence has ended the sessions of older epochs.
    var isFenced = false
    /// The journal's decision.
    var journal: Decision?
    /// The evidence of every branch in the journal.
    var journalEvidence: [PreparedEvidence?] = []
    var isJournalRemoved = false
    /// Whether an operator or a restored backup ended the branch, against any rule.
    var hasInterference = false
    /// Whether the participant was restored, so that its timeline is new and recorded ids are useless.
    var isRestored = false
    /// How often the work took effect.
    var executions = 0

    init(commitMode: CommitMode) { self.commitMode = commitMode }

    /// The decision that a commit point holds.
    var recordedDecision: Decision? {
        switch commitMode {
        case .twoPhase, .readOnly: nil
        case .journal: journal
        case .onePhase: standing == .committed ? .commit : nil
        }
    }

    /// Ends the session and the transaction that it holds.
    mutating func endSession() {
        session = .gone
        if standing == .open { standing = .rolledBack }
    }

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

    /// Runs the session's COMMIT: the work and, in a journal, the decision.
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
