/// The state of one branch of a global transaction.
package struct Branch: Hashable, Sendable {
    /// The progress of a branch; each case names its next cases.
    package enum Progress: Hashable, Sendable {
        /// Nothing was sent. Next: `working`, or `finished` by an abort.
        case waiting
        /// Work and PREPARE were sent; no answer yet. Next: any of the five cases below, or `doubtful`.
        case working
        /// Voted yes. Next: `finished`.
        case prepared(PreparedEvidence)
        /// Read-only, work done, session held. Next: `finished`, or `doubtful` if its session is lost.
        case held
        /// The commit point, work done, local transaction open, no answer to a COMMIT yet. Next:
        /// `refused` or `doubtful` if the COMMIT fails, or `finished`.
        case ready(PreparedEvidence)
        /// Voted no although PREPARE succeeded, since an expectation was missed. Next: `finished`,
        /// by gid.
        case preparedAgainstVote(PreparedEvidence)
        /// Voted no; nothing is or can become prepared. Next: `finished`.
        case refused
        /// Votes no; its session was lost, so a PREPARE may have run or may run later. Next:
        /// `finished`, after the fence.
        case doubtful
        /// Adopted with a decision, known only from the row. Next: `finished`.
        case recovered(PreparedEvidence?)
        /// Finished; the outcome never changes.
        case finished(Outcome)
    }

    /// How the branch commits.
    package let commitMode: CommitMode
    /// The branch's progress.
    package internal(set) var progress: Progress = .waiting
    /// The vote, if known; kept after the branch has finished.
    ///
    /// A commit point votes no, or decides.
    package internal(set) var vote: Vote?
    /// What proves the outcome of the prepared branch later.
    package internal(set) var evidence: PreparedEvidence?
    /// How many attempts to finish the branch have to be repeated.
    package internal(set) var retries = 0

    /// The outcome, if the branch has finished.
    package var outcome: Outcome? {
        if case .finished(let outcome) = progress { outcome } else { nil }
    }

    /// Whether the branch is ready for a decision to commit.
    var canCommit: Bool {
        switch progress {
        case .prepared, .held, .ready: true
        case .waiting, .working, .preparedAgainstVote, .refused, .doubtful, .recovered, .finished:
            false
        }
    }

    var isWorking: Bool { progress == .working }
}
