import CommitProtocol
import TransactionEngine

extension Problem {
    /// Why neither "committed" nor "aborted" may be said; nil if one of them may, or will be.
    static func ofOperator(_ record: TransactionRecord) -> Problem? {
        guard record.needsOperator else { return nil }
        guard let decision = record.decision else {
            return CoordinatorAPI.outcomeUnknown(
                record.id,
                "What decides it is gone, and nothing proves what was decided: an operator has to "
                    + "decide.")
        }
        let found = record.branches.enumerated().filter { $1.outcome?.isAsDecided == false }
        let list = found.map { "branch \($0) in \($1.participant) \(words(of: $1))" }
        var detail =
            "The decision is to \(decision.rawValue), but \(list.joined(separator: "; ")). An "
            + "operator has to look, and say how it stands by POST .../resolution."
        if let cause = record.problem.flatMap(cause(of:)) { detail += " It was aborted: \(cause)" }
        var problem = Problem(.needsOperator, detail)
        problem.transaction = record.id.description
        problem.branch = found.first?.offset
        problem.participant = found.first?.element.participant
        return problem
    }

    private static func words(of branch: BranchRecord) -> String {
        let outcome = branch.outcome
        let name = outcome?.rawValue ?? ""
        return switch outcome {
        case .committed, .heuristicCommit: "was committed (\(name))"
        case .rolledBack, .heuristicRollback: "was rolled back (\(name))"
        case nil, .heuristicMixed, .heuristicHazard: "ended in a way that nothing proves (\(name))"
        }
    }

    private static func cause(of stored: [UInt8]) -> String? {
        (try? JSONReader.read(stored))?["detail"]?.string
    }

    /// The recorded reason of an abort, without its claim that no branch took effect.
    static func withoutClaim(_ stored: [UInt8]) -> [UInt8] {
        guard case .object(let members)? = try? JSONReader.read(stored) else { return stored }
        let claims = ["outcome", "retryable"]
        var writer = JSONWriter(capacity: stored.count + 32)
        writer.value(
            .object(
                members.filter { !claims.contains($0.name) } + [
                    JSONMember("retryable", .bool(false)),
                    JSONMember("outcome", .string(ProblemOutcome.needsOperator.rawValue)),
                ]))
        return writer.bytes
    }
}
