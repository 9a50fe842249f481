/// One participant's part of a global transaction, as its coordinator knows it.
public struct Branch: Hashable, Sendable {
    /// Where a branch stands.
    ///
    /// Each case names where it can go.
    public enum Progress: Hashable, Sendable {
        /// Nothing was sent. To `working`, or to `ended` by an abort.
        case waiting
        /// Work and PREPARE were sent and are unanswered. To any of the four below.
        case working
        /// Voted yes. To `ended`.
        case prepared(PreparedEvidence)
        /// Declared read only, and its work is done; its session is held. To `ended`.
        case held
        /// The register, and its work is done; its local transaction is open, and no COMMIT has been
        /// answered. To `refused` or `doubtful` if that fails, or to `ended`.
        case ready(PreparedEvidence)
        /// Voted no although PREPARE succeeded (a missed expectation). To `ended`, by gid.
        case preparedAgainstVote(PreparedEvidence)
        /// Voted no; nothing is prepared and nothing can become so. To `ended`.
        case refused
        /// Votes no; its session was lost, so a PREPARE may have run or may yet run. To `ended`,
        /// after the fence.
        case doubtful
        /// Adopted with a decision: known only from the row. To `ended`.
        case recovered(PreparedEvidence?)
        /// It has ended, and never changes its outcome.
        case ended(Outcome)
    }

    /// How it takes part in the end.
    public let commitMode: CommitMode
    /// Where the branch stands.
    public internal(set) var progress: Progress = .waiting
    /// The vote, once it is known; kept after the branch has ended.
    ///
    /// A register votes no, or decides.
    public internal(set) var vote: Vote?
    /// What PREPARE left to prove the end with.
    public internal(set) var evidence: PreparedEvidence?
    /// How often an end (commit or rollback) was tried and has to be tried again.
    public internal(set) var retries = 0

    /// The outcome, once the branch has ended.
    public var outcome: Outcome? {
        if case .ended(let outcome) = progress { outcome } else { nil }
    }

    /// Whether it has done all that a commit asks of it beforehand.
    var isInFavor: Bool {
        switch progress {
        case .prepared, .held, .ready: true
        case .waiting, .working, .preparedAgainstVote, .refused, .doubtful, .recovered, .ended:
            false
        }
    }
    var isWorking: Bool { progress == .working }
}
