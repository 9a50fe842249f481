/// Something that the engine has done.
package enum EngineEvent: Sendable {
    /// A request was answered, refusals among them, after so long.
    case answered(TransactionAnswer, after: Duration)
    /// A transaction that lost to others is aborted, and its request runs again.
    case retried(TransactionRecord, BranchFailure)
    /// A transaction has ended here: every branch is finished, or it is left to an operator.
    case ended(TransactionRecord, TransactionTimeline)
    /// A branch ended against the decision, or in a way that nothing proves.
    case heuristicOutcome(participant: String)
    /// A pass over the rows is done.
    case recoveryPass(RecoveryPass)
    /// A scan of a participant is done, and this many prepared transactions are left to an operator.
    case scanned(participant: String, reportedCount: Int)
}

/// Receives what the engine does, for metrics, traces and dashboards.
///
/// Each call is made on the loop, in the order of the events, and has to return at once.
package protocol EngineObserver: Sendable {
    /// An event has happened.
    func observe(_ event: EngineEvent)
}
