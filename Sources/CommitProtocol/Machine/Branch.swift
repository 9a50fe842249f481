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

    /// Where the branch stands.
    public internal(set) var progress: Progress = .waiting
    /// The vote, once it is known; kept after the branch has ended.
    public internal(set) var vote: Vote?
    /// What PREPARE left to prove the end with.
    public internal(set) var evidence: PreparedEvidence?
    /// How often an end (commit or rollback) was tried and has to be tried again.
    public internal(set) var retries = 0

    /// The outcome, once the branch has ended.
    public var outcome: Outcome? {
        if case .ended(let outcome) = progress { outcome } else { nil }
    }

    var isPrepared: Bool { if case .prepared = progress { true } else { false } }
    var isWorking: Bool { progress == .working }
}
