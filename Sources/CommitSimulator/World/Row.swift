internal import CommitProtocol

/// The transaction's row in the state database.
struct Row: Hashable, Sendable {
    var decision: Decision?
    /// Whether the row says that the one-phase branch decides.
    var isDelegated = false
    var evidence: [PreparedEvidence?]
    var outcomes: [Outcome?]
    var isFinished = false
    /// Whether the decision cannot be determined and waits for an operator.
    var isReported = false
    /// The incarnation that claimed the row last.
    var owner = 0
    /// Whether the decision would survive a failover; a visible one may not.
    var isReplicated = true
    /// Whether the finish record would survive a failover.
    var isFinishReplicated = true

    init(branchCount: Int) {
        evidence = Array(repeating: nil, count: branchCount)
        outcomes = Array(repeating: nil, count: branchCount)
    }

    /// The final state, if recorded.
    var finalState: TransactionState? {
        guard isFinished, let decision else { return nil }
        let isAsDecided = outcomes.allSatisfy {
            $0 == (decision == .commit ? .committed : .rolledBack)
        }
        if !isAsDecided { return .needsOperator }
        return decision == .commit ? .committed : .aborted
    }
}
