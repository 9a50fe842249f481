internal import CommitProtocol

/// The transaction's row in the state database.
struct Row: Hashable, Sendable {
    var decision: Decision?
    /// The one-phase branch decides.
    var isDelegated = false
    var evidence: [PreparedEvidence?]
    var outcomes: [Outcome?]
    var isFinished = false
    /// Nobody can tell the decision; an operator was called.
    var isReported = false
    /// The life that claimed it last.
    var owner = 0
    /// Whether the decision would survive a failover; what is visible need not be.
    var isReplicated = true
    /// Whether the record of the end would.
    var isEndReplicated = true

    init(branchCount: Int) {
        evidence = Array(repeating: nil, count: branchCount)
        outcomes = Array(repeating: nil, count: branchCount)
    }

    /// The final state, where one is recorded.
    var endState: TransactionState? {
        guard isFinished, let decision else { return nil }
        let isAsDecided = outcomes.allSatisfy {
            $0 == (decision == .commit ? .committed : .rolledBack)
        }
        if !isAsDecided { return .needsOperator }
        return decision == .commit ? .committed : .aborted
    }
}
