import CommitProtocol
import EventLoop
import Logging

/// Logs branches that ended against the decision, or in a way that nothing proves.
@LoopActor
struct HeuristicLog {
    let replica: String
    let logger: Logger

    /// Logs each such branch once, with all that is known, for an operator may have nothing else to
    /// go by; returns the branches that it logged.
    func logNew(of transaction: ActiveTransaction) -> [Int] {
        let new = transaction.machine.branches.indices.filter {
            transaction.machine.branches[$0].outcome?.isAsDecided == false
                && transaction.loggedHeuristics.insert($0).inserted
        }
        for branch in new { log(branch, of: transaction) }
        return new
    }

    private func log(_ index: Int, of transaction: ActiveTransaction) {
        let branch = transaction.machine.branches[index]
        let record = transaction.record.branches[index]
        let evidence = branch.evidence.map {
            "transaction id \($0.transactionID) of role \($0.owner), system identifier "
                + "\($0.systemIdentifier), timeline \($0.timeline), at \($0.location)"
        }
        var metadata = transaction.record.logged(with: [
            "branch": "\(index)", "participant": "\(record.participant)", "gid": "\(record.gid)",
            "evidence": "\(evidence ?? "none was recorded")",
            "decision": "\(transaction.machine.decision?.rawValue ?? "unknown")",
            "outcome": "\(branch.outcome?.rawValue ?? "unknown")", "noticedBy": "\(replica)",
        ])
        if let finding = record.lastError { metadata["finding"] = "\(finding)" }
        let resolution = transaction.record.resolutions.last {
            $0.branch == index && !$0.isOrder
        }
        if let resolution { metadata["resolvedBy"] = "\(resolution.actor)" }
        logger.error("\(Self.message(branch.outcome, transaction.machine))", metadata: metadata)
    }

    private static func message(_ outcome: Outcome?, _ machine: TransactionMachine) -> String {
        if machine.phase == .undecidable {
            return "nothing proves what was decided; an operator must resolve it"
        }
        if machine.decision == nil {
            return
                "a branch of a transaction that was not accepted was committed from outside, and "
                + "no row records it; an operator must resolve it"
        }
        return outcome == .heuristicHazard
            ? "nothing proves how a branch was finished; an operator must resolve it"
            : "a branch was finished against the decision; an operator must resolve it"
    }
}

extension TransactionRecord {
    /// The branches that ended against the decision, or in a way that nothing proves.
    var heuristicBranches: Set<Int> {
        Set(branches.indices.filter { branches[$0].outcome?.isAsDecided == false })
    }

    /// How many those are.
    var heuristicCount: Int { branches.count { $0.outcome?.isAsDecided == false } }

    /// Whether no answer may say that it ended as decided, whatever state is recorded.
    package var needsOperator: Bool { state == .needsOperator || heuristicCount > 0 }

    /// Whether a decision is known, or known to be out of reach for all but an operator.
    var isDecided: Bool { decision != nil || state == .needsOperator }
}
