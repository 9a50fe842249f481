public import CommitProtocol
import Logging

/// Branches that ended against the decision, or in a way that nothing proves.
extension TransactionEngine {
    /// Logs each of them once, with all that is known: an operator may have nothing else to go by.
    func logHeuristics(of transaction: ActiveTransaction) {
        for (index, branch) in transaction.machine.branches.enumerated() {
            guard let outcome = branch.outcome, !outcome.isAsDecided,
                transaction.loggedHeuristics.insert(index).inserted
            else { continue }
            let record = transaction.record.branches[index]
            let evidence = branch.evidence.map {
                "transaction id \($0.transactionID) of role \($0.owner), system identifier "
                    + "\($0.systemIdentifier), timeline \($0.timeline), at \($0.location)"
            }
            var metadata: Logger.Metadata = [
                "transaction": "\(transaction.machine.transaction)", "branch": "\(index)",
                "participant": "\(record.participant)", "gid": "\(record.gid)",
                "evidence": "\(evidence ?? "none was recorded")",
                "decision": "\(transaction.machine.decision?.rawValue ?? "unknown")",
                "outcome": "\(outcome.rawValue)", "noticedBy": "\(log.replica)",
            ]
            if let finding = record.lastError { metadata["finding"] = "\(finding)" }
            let word = transaction.record.resolutions.last { $0.branch == index }
            if let word { metadata["resolvedBy"] = "\(word.actor)" }
            logger.error("\(Self.sentence(outcome, transaction.machine))", metadata: metadata)
        }
    }

    private static func sentence(_ outcome: Outcome, _ machine: Coordinator) -> String {
        if machine.phase == .undecidable {
            return "nothing proves what was decided; an operator has to look"
        }
        if machine.decision == nil {
            return "somebody else committed a branch of a transaction that was not accepted, and "
                + "no row tells of it; an operator has to look"
        }
        return outcome == .heuristicHazard
            ? "nothing proves how a branch ended; an operator has to look"
            : "a branch ended against the decision; an operator has to look"
    }

    /// Has the row tell how branches ended while others cannot be ended yet: then every replica
    /// answers so, and lists it.
    func noteOutcomes(_ transaction: ActiveTransaction) {
        let record = transaction.view
        spawn { engine in
            await engine.log.noteOutcomes(record)
            engine.transactions[record.id]?.notedHeuristics = record.heuristicCount
            engine.releaseDistant(record.id)
        }
    }

    /// Whether a state that is told by its record alone is known here, and not recorded yet.
    func isUnrecorded(_ known: TransactionRecord) -> Bool {
        guard !EndInquiry.isReportedAhead(known.state) else { return false }
        if let transaction = transactions[known.id] {
            return transaction.notedHeuristics < known.heuristicCount
        }
        return recentlyEnded[known.id] != nil
    }

    /// The transactions that wait for an operator, at whichever replica; nil if none does.
    public func operatorQueue() async throws(LogUnavailable) -> OperatorQueue? {
        try await log.operatorQueue()
    }
}

/// The transactions that wait for an operator's word.
public struct OperatorQueue: Sendable, Hashable {
    /// How many there are.
    public let count: Int
    /// The one that has waited longest.
    public let oldest: GlobalTransactionID
    /// Since when it has.
    public let since: Timestamp

    /// Makes it of its parts.
    public init(count: Int, oldest: GlobalTransactionID, since: Timestamp) {
        self.count = count
        self.oldest = oldest
        self.since = since
    }
}

extension TransactionRecord {
    /// The branches that ended against the decision, or nobody knows how.
    var heuristicBranches: Set<Int> {
        Set(branches.indices.filter { branches[$0].outcome?.isAsDecided == false })
    }

    /// How many those are.
    var heuristicCount: Int { branches.count { $0.outcome?.isAsDecided == false } }

    /// Whether no answer may say that it ended as decided, whatever is recorded of its state.
    public var needsOperator: Bool { state == .needsOperator || heuristicCount > 0 }
}
