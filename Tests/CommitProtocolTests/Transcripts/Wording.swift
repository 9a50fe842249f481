import CommitProtocol

/// Translates the words of a scenario into events.
enum Wording {
    static func event(_ line: Substring, commitModes: [CommitMode]) -> Event? {
        let words: [String] = line.split(separator: " ").map { String($0) }
        guard let verb = words.first else { return nil }
        let object = words.dropFirst().joined(separator: " ")
        switch verb {
        case "begin": return object == "first" ? .begin(.first) : .begin(.overlapping)
        case "accept": return acceptance(object)
        case "adopt": return .adopt(row(object, commitModes))
        case "decision": return decision(object)
        case "delegation": return object == "found" ? .delegationFound(evidence: []) : .delegated
        case "commitPoint": return commitPoint(object)
        case "timer": return timer(words.dropFirst()).map { .due($0) }
        case "caller": return .rollbackRequested
        case "branch":
            guard words.count > 2, let branch = Int(words[1]), branch < commitModes.count else {
                return nil
            }
            let answer = words.dropFirst(2).joined(separator: " ")
            if let vote = vote(answer, branch) { return .voted(branch: branch, vote) }
            return finish(answer).map { .finished(branch: branch, $0) }
        default: return nil
        }
    }

    private static func acceptance(_ text: String) -> Event? {
        switch text {
        case "durable": .accepted
        case "refused": .acceptRefused
        case "unavailable": .acceptUnavailable
        case "unknown": .acceptUnknown
        default: nil
        }
    }

    private static func decision(_ text: String) -> Event? {
        switch text {
        case "commit": .decided(.commit)
        case "abort": .decided(.abort)
        case "missing": .decisionMissing
        case "unknown": .decisionUnknown
        default: nil
        }
    }

    private static func commitPoint(_ text: String) -> Event? {
        switch text {
        case "COMMIT": .localCommitAnswered(.committed)
        case "rolled back": .localCommitAnswered(.rolledBack)
        case "lost": .localCommitAnswered(.unknown)
        case "holds commit": .commitPointAnswered(.decided(.commit))
        case "holds abort": .commitPointAnswered(.decided(.abort))
        case "silent": .commitPointAnswered(.tryAgain)
        case "restored": .commitPointAnswered(.unprovable)
        default: nil
        }
    }

    private static func vote(_ text: String, _ branch: Int) -> WorkReply? {
        switch text {
        case "prepared": .prepared(evidence(branch))
        case "prepared, expectation missed": .preparedAgainstVote(evidence(branch))
        case "held": .held
        case "ready": .ready(evidence(branch))
        case "refused": .refused
        case "lost": .lost
        default: nil
        }
    }

    private static func finish(_ text: String) -> FinishReply? {
        switch text {
        case "done": .done
        case "gone, proved committed": .provedCommitted
        case "gone, proved rolled back": .provedRolledBack
        case "gone, unprovable": .unprovable
        case "unreachable": .tryAgain
        default: nil
        }
    }

    private static func timer(_ words: ArraySlice<String>) -> Timer? {
        switch words.first {
        case "deadline": .deadline
        case "finishWait": .finishWait
        case "decideAgain": .decideAgain
        case "queryAgain": .queryAgain
        case "finishAgain": words.last.flatMap { Int($0) }.map { .finishAgain(branch: $0) }
        default: nil
        }
    }

    /// A row: undecided, delegated, commit or abort; commit and delegation bring evidence.
    private static func row(_ text: String, _ commitModes: [CommitMode]) -> RecoveredTransaction {
        let hasEvidence = text == "commit" || text == "delegated"
        return RecoveredTransaction(
            decision: Decision(rawValue: text), isDelegated: text == "delegated",
            branches: commitModes.enumerated().map { branch, commitMode in
                RecoveredBranch(
                    evidence: hasEvidence && commitMode != .readOnly ? evidence(branch) : nil,
                    outcome: nil)
            })
    }
}

/// Translates a step into the words of a scenario.
extension Step {
    func lines(after machine: TransactionMachine) -> [String] {
        var lines: [String] = []
        if let log { lines.append("record \(log.words)") }
        lines += commands.map(\.words)
        for request in timers {
            let delay = request.delayMilliseconds.map { " in \($0) ms" } ?? ""
            lines.append("start timer \(request.timer.words)\(delay)")
        }
        if let reply { lines.append("reply: \(reply.words)") }
        if isLast { lines.append("end: \(machine.state.rawValue)") }
        return lines.isEmpty ? ["-"] : lines
    }
}

extension LogRequest {
    fileprivate var words: String {
        switch self {
        case .accept: "the acceptance"
        case .decide(let decision): "the decision \(decision.rawValue), if there is none"
        case .tombstone: "an abort tombstone"
        case .delegate: "that the branch decides, with its transaction id"
        case .copy(let decision): "a copy of the commit point's \(decision.rawValue)"
        case .finish: "that it finished, lazily"
        case .report: "that the decision cannot be determined, lazily"
        case .noteOutcomes: "the outcomes so far, lazily"
        }
    }
}

extension BranchCommand {
    fileprivate var words: String {
        switch self {
        case .work(let branch): "branch \(branch): work"
        case .cancel(let branch): "branch \(branch): cancel"
        case .commitPrepared(let branch): "branch \(branch): COMMIT PREPARED"
        case .rollbackPrepared(let branch): "branch \(branch): ROLLBACK PREPARED"
        case .commitLocally(let branch): "branch \(branch): COMMIT"
        case .queryCommitPoint(let branch): "branch \(branch): fence, then query the decision"
        case .release(let branch, let decision):
            "branch \(branch): release, \(decision.rawValue)"
        case .fenceAndRollBack(let branch): "branch \(branch): fence, then roll back what is found"
        }
    }
}

extension Timer {
    fileprivate var words: String {
        if case .finishAgain(let branch) = self { "finishAgain \(branch)" } else { "\(self)" }
    }
}

extension Reply {
    fileprivate var words: String {
        switch self {
        case .aborted(.refused(let branch)): "aborted, branch \(branch) refused"
        case .aborted(let cause): "aborted, \(cause)"
        case .committed, .committing, .needsOperator, .outcomeUnknown, .keyTaken, .notAccepted,
            .neverCommits:
            "\(self)"
        }
    }
}
