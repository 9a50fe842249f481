import CommitProtocol
import TransactionEngine

/// Where a transaction stands, in words: what has happened, what tandem does about it, and what is
/// left to the operator.
struct Standing {
    let tone: Tone
    /// The state in a word or two.
    let word: String
    /// What has happened.
    let description: String
    /// What to do, or that there is nothing to do.
    let advice: String

    init(_ record: TransactionRecord, now: Timestamp) {
        self = Standing.of(record, now)
    }

    private init(_ tone: Tone, _ word: String, says description: String, advice: String) {
        self.tone = tone
        self.word = word
        self.description = description
        self.advice = advice
    }

    private static func of(_ record: TransactionRecord, _ now: Timestamp) -> Standing {
        if record.isHeld { return held }
        if record.needsOperator { return needingOperator(record) }
        let total = record.branches.count
        let ended = record.branches.count { $0.outcome != nil }
        switch record.state {
        case .needsOperator: return needingOperator(record)
        case .committed:
            return Standing(
                .good, "committed",
                says: total == 1
                    ? "The branch has committed." : "All \(total) branches have committed.",
                advice: "Nothing is left to do.")
        case .aborted:
            return Standing(
                .calm, "aborted", says: "It was aborted, and no branch took effect.",
                advice: record.retriedAs == nil
                    ? "Nothing is left to do here; the caller was answered why."
                    : "Nothing is left to do: tandem ran the request again.")
        case .committing:
            return finishing(
                record, "committing",
                says: "The decision is to commit, and it is durable. \(ended) of "
                    + "\(count(total, "branch", "branches")) \(ended == 1 ? "has" : "have") committed."
            )
        case .aborting:
            return finishing(
                record, "aborting",
                says: "The decision is to abort, and it is durable. \(ended) of "
                    + "\(count(total, "branch", "branches")) \(ended == 1 ? "is" : "are") rolled back."
            )
        case .active, .preparing:
            guard record.deadline >= now else { return inDoubt(record, now) }
            guard record.isDelegated else { return working(record, now) }
            // The queues draw the line here too: an answer takes milliseconds.
            return now - record.acceptedAt <= 1_000_000 ? deciding(record) : inDoubt(record, now)
        }
    }

    private static func working(_ record: TransactionRecord, _ now: Timestamp) -> Standing {
        let voted = record.branches.count { $0.vote != nil }
        return Standing(
            .busy, record.state.rawValue,
            says: "Nothing is decided yet. \(voted) of "
                + "\(count(record.branches.count, "branch", "branches")) "
                + "\(voted == 1 ? "has" : "have") voted.",
            advice:
                "Nothing needs to be done: without a decision, it is aborted at its deadline, in "
                + TimeText.span(microseconds: record.deadline - now) + ".")
    }

    /// Its commit point alone knows how it ends; no deadline aborts it.
    private static func deciding(_ record: TransactionRecord) -> Standing {
        Standing(
            .busy, record.state.rawValue,
            says:
                "\(commitPoint(of: record) ?? "Its commit point") was asked to commit, which decides.",
            advice:
                "Nothing needs to be done: the answer comes within milliseconds, or tandem reads "
                + "the outcome there.")
    }

    private static func commitPoint(of record: TransactionRecord) -> String? {
        record.branches.first(where: \.commitMode.isCommitPoint)?.participant
    }

    private static func inDoubt(_ record: TransactionRecord, _ now: Timestamp) -> Standing {
        let late = TimeText.span(microseconds: now - record.deadline)
        return Standing(
            .doubt, "in doubt",
            says: record.deadline >= now
                ? "Its commit point was asked, and its answer is not recorded."
                : "Its deadline passed \(late) ago, and no decision is known.",
            advice: commitPoint(of: record).map {
                "The database of \($0) is its commit point and may hold the decision. As soon as \($0) "
                    + "answers, tandem reads it and finishes the branches. Bring \($0) back."
            }
                ?? "The next pass over the rows aborts it. If it stays, look at the replicas: a live "
                + "one has to take it over.")
    }

    private static func finishing(
        _ record: TransactionRecord, _ word: String, says description: String
    ) -> Standing {
        let failing = record.branches.filter { $0.outcome == nil && $0.lastError != nil }
        guard !failing.isEmpty else {
            return Standing(
                .busy, word, says: description,
                advice: "Nothing needs to be done: it goes on by itself.")
        }
        let names = Set(failing.map(\.participant)).sorted().joined(separator: " and ")
        return Standing(
            .retry, "retrying, \(word)", says: description,
            advice: "tandem tries \(names) again until it succeeds. Mend what the last error "
                + "names; nothing else is needed.")
    }

    private static let held = Standing(
        .bad, "held",
        says:
            "The state database was restored or replaced, so this transaction's decision may be lost.",
        advice:
            "Find out whether any branch has committed, then resolve the transaction; or release "
            + "all that are held with `tandem release`.")

    private static func needingOperator(_ record: TransactionRecord) -> Standing {
        guard let decision = record.decision else {
            return Standing(
                .bad, "needs an operator",
                says:
                    "The server that held the decision is gone, so nothing proves what was decided.",
                advice: "Find out whether any branch has committed, and resolve the branches alike."
            )
        }
        let astray = record.branches.indices.filter {
            record.branches[$0].outcome?.isAsDecided == false
        }
        let list = astray.map { index in
            let branch = record.branches[index]
            return "branch \(index) in \(branch.participant) \(branch.outcomeInWords)"
        }.joined(separator: ", and ")
        let word = decision == .commit ? "commit" : "abort"
        let isResolved = record.statedBranches.isSuperset(of: astray)
        return Standing(
            .bad, isResolved ? "ended against the decision" : "needs an operator",
            says: "The decision was to \(word), and \(list).",
            advice: isResolved
                ? "An operator has resolved every such branch. The state stays, because that is how "
                    + "the transaction ended."
                : "tandem cannot undo it. Look at the data, set it right by hand, and record what you "
                    + "found by resolving the branch.")
    }
}

extension BranchRecord {
    /// The outcome as the end of a sentence.
    var outcomeInWords: String {
        switch outcome {
        case nil: "has not ended"
        case .committed: "was committed"
        case .rolledBack: "was rolled back"
        case .heuristicCommit: "was committed"
        case .heuristicRollback: "was rolled back"
        case .heuristicMixed: "was committed in part"
        case .heuristicHazard: "is gone, and nothing proves how it ended"
        }
    }

    var tone: Tone {
        switch outcome {
        case .committed: .good
        case .rolledBack: .calm
        case .some: .bad
        case nil: lastError == nil ? .busy : .retry
        }
    }
}
