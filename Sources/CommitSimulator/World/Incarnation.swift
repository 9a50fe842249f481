internal import CommitProtocol

/// One process's hold on the transaction: a machine, and the rules about what it says.
struct Incarnation: Hashable, Sendable {
    /// A timer that runs, and when it fires.
    struct Armed: Hashable {
        let timer: Timer
        let due: Int64
    }

    /// Which process; 0 is the one that the caller asked, and the others adopted the row.
    let number: Int
    var machine: TransactionMachine
    var timers: [Armed] = []
    /// Votes that were heard, and may be heard again.
    var votes: [Event] = []
    /// Branches whose work was cancelled, and branches whose order is unanswered; a bit each.
    var cancelled: UInt8 = 0
    var unanswered: UInt8 = 0
    var isLogAsked = false
    /// Whether the one accept was sent; an adopted row had its own.
    var hasAccepted: Bool
    /// The register was told to commit; it is told once.
    var hasCommittedLocally = false

    init(number: Int, machine: TransactionMachine) {
        self.number = number
        self.machine = machine
        hasAccepted = number > 0
    }

    /// Marks the answer to an order as given.
    mutating func hear(_ event: Event) {
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

    /// The shape of a step: one request at a time, and no command beside the record it depends on.
    mutating func checkShape(_ step: Step) throws(Violation) {
        for command in step.commands {
            try checkCompany(of: command, step.log)
            switch command {
            case .cancel(let branch):
                cancelled |= 1 << branch
            case .commitLocally(let branch):
                guard !hasCommittedLocally else {
                    throw Violation("step: the register is told to commit again")
                }
                hasCommittedLocally = true
                try order(command, of: branch)
            case .work(let branch), .commitPrepared(let branch), .rollbackPrepared(let branch),
                .fenceAndRollBack(let branch), .queryCommitPoint(let branch),
                .release(let branch, _):
                try order(command, of: branch)
            }
        }
        try checkRequest(step)
        for (index, request) in step.timers.enumerated() {
            if step.timers[..<index].contains(where: { $0.timer == request.timer }) {
                throw Violation("step: one timer twice")
            }
        }
    }

    private mutating func order(_ command: BranchCommand, of branch: Int) throws(Violation) {
        guard unanswered & 1 << branch == 0 else {
            throw Violation("step: \(command), and the branch has an order unanswered")
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
        default: throw Violation("step: \(command) beside \(log.map { "\($0)" } ?? "nothing")")
        }
    }

    private mutating func checkRequest(_ step: Step) throws(Violation) {
        switch step.log {
        case nil: break
        case .accept:
            guard !hasAccepted else { throw Violation("step: an accept is sent again") }
            hasAccepted = true
            isLogAsked = true
        case .decide, .tombstone, .delegate, .copy:
            guard !isLogAsked else { throw Violation("step: two requests to the log at once") }
            isLogAsked = true
        case .noteOutcomes: break
        case .finish, .report:
            guard step.isLast else { throw Violation("step: an end that is not the last") }
        }
        if step.isLast, unanswered != 0 || isLogAsked {
            throw Violation("step: the last one while an answer is due")
        }
    }

    /// I5: a state only moves on, and nothing moves from commit to abort or back.
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
        guard isLegal else { throw Violation("I5: from \(old) to \(new)") }
    }
}
