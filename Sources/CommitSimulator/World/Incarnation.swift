internal import CommitProtocol

/// One incarnation of a replica with its machine, and the rules for its steps.
struct Incarnation: Hashable, Sendable {
    /// A running timer.
    struct Armed: Hashable {
        let timer: Timer
        let due: Int64
    }

    /// 0 is the replica that the caller asked; the others adopted the row.
    let number: Int
    var machine: TransactionMachine
    var timers: [Armed] = []
    /// Votes that were received and may be received again.
    var votes: [Event] = []
    /// Branches with cancelled work, and branches with an unanswered command, as bits.
    var cancelled: UInt8 = 0
    var unanswered: UInt8 = 0
    var isLogAsked = false
    /// Whether the accept was sent; an adopted row has had its own.
    var hasAccepted: Bool
    /// Whether the commit point's COMMIT was sent, which happens once.
    var hasCommittedLocally = false

    init(number: Int, machine: TransactionMachine) {
        self.number = number
        self.machine = machine
        hasAccepted = number > 0
    }

    /// Marks a request or command as answered.
    mutating func noteAnswer(_ event: Event) {
        switch event {
        case .accepted, .acceptRefused, .acceptUnavailable, .acceptUnknown, .decided,
            .decisionMissing, .decisionUnknown, .delegated, .delegationFound:
            isLogAsked = false
        case .voted(let branch, _), .finished(let branch, _):
            unanswered &= ~(1 << branch)
        case .localCommitAnswered, .commitPointAnswered:
            if let commitPoint = machine.commitPoint { unanswered &= ~(1 << commitPoint) }
        case .begin, .adopt, .due, .rollbackRequested: break
        }
    }

    /// Checks a step: one request at a time, and no command together with the record it depends on.
    mutating func checkShape(_ step: Step) throws(Violation) {
        for command in step.commands {
            try checkCompany(of: command, step.log)
            switch command {
            case .cancel(let branch):
                cancelled |= 1 << branch
            case .commitLocally(let branch):
                guard !hasCommittedLocally else {
                    throw Violation("step: a second COMMIT for the commit point")
                }
                hasCommittedLocally = true
                try expectAnswer(to: command, of: branch)
            case .work(let branch), .commitPrepared(let branch), .rollbackPrepared(let branch),
                .fenceAndRollBack(let branch), .queryCommitPoint(let branch),
                .release(let branch, _):
                try expectAnswer(to: command, of: branch)
            }
        }
        try checkRequest(step)
        for (index, request) in step.timers.enumerated() {
            if step.timers[..<index].contains(where: { $0.timer == request.timer }) {
                throw Violation("step: the same timer twice")
            }
        }
    }

    private mutating func expectAnswer(
        to command: BranchCommand, of branch: Int
    ) throws(Violation) {
        guard unanswered & 1 << branch == 0 else {
            throw Violation("step: \(command), while the branch has an unanswered command")
        }
        unanswered |= 1 << branch
    }

    private func checkCompany(
        of command: BranchCommand, _ log: LogRequest?
    ) throws(Violation) {
        switch (log, command) {
        case (nil, _), (.noteOutcomes, _), (.accept, .work), (.decide, .cancel),
            (.tombstone, .cancel):
            break
        default:
            throw Violation("step: \(command) together with \(log.map { "\($0)" } ?? "nothing")")
        }
    }

    private mutating func checkRequest(_ step: Step) throws(Violation) {
        if let request = step.log {
            if request == .accept {
                guard !hasAccepted else { throw Violation("step: a second accept") }
                hasAccepted = true
            }
            if !request.isLazy {
                guard !isLogAsked else { throw Violation("step: two requests to the log at once") }
                isLogAsked = true
            } else if request != .noteOutcomes {
                guard step.isLast else {
                    throw Violation("step: a finish record in a step that is not the last")
                }
            }
        }
        if step.isLast, unanswered != 0 || isLogAsked {
            throw Violation("step: the last step, while an answer is pending")
        }
    }

    /// Checks I5: a state moves forward, and never between commit and abort.
    static func checkMove(
        from old: TransactionState, to new: TransactionState
    ) throws(Violation) {
        guard old != new else { return }
        let isLegal =
            switch old {
            case .active: true
            case .preparing: new != .active
            case .committing: new == .committed || new == .needsOperator
            case .aborting: new == .aborted || new == .needsOperator
            case .committed, .aborted, .needsOperator: false
            }
        guard isLegal else { throw Violation("I5: state changed from \(old) to \(new)") }
    }
}
