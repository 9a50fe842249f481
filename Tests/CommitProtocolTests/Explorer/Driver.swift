import CommitProtocol

/// One process's hold on the transaction: a machine, and the rules about what it says.
struct Driver {
    /// Which process; 0 is the one that the caller asked, and the others adopted the row.
    let life: Int
    var machine = Coordinator(transaction: someTransaction, branchCount: 1)
    var timers: [Timer] = []
    /// Votes that were heard, and may be heard again.
    var votes: [Event] = []
    /// Branches whose work was cancelled.
    var cancelled: Set<Int> = []
    /// Orders that are unanswered, by branch.
    var unanswered: Set<Int> = []
    var isLogAsked = false
    /// Whether the one accept was sent; an adopted row had its own.
    var hasAccepted: Bool
    var reply: Reply?

    init(life: Int, branchCount: Int) {
        self.life = life
        hasAccepted = life > 0
        machine = Coordinator(transaction: someTransaction, branchCount: branchCount)
    }

    /// Marks the answer to an order as given.
    mutating func hear(_ event: Event) {
        switch event {
        case .accepted, .acceptRefused, .acceptUnavailable, .acceptUnknown, .decided,
            .decisionMissing, .decisionUnknown, .delegated, .delegationFound:
            isLogAsked = false
        case .voted(let branch, _), .finished(let branch, _):
            unanswered.remove(branch)
        case .registered, .registerAnswered:
            machine.register.map { _ = unanswered.remove($0) }
        case .begin, .adopt, .due, .rollbackRequested: break
        }
    }

    /// The shape of a step: one request at a time, and no command beside the record it depends on.
    mutating func checkShape(_ step: Step) throws(Violation) {
        for command in step.commands {
            try checkCompany(of: command, step.log)
            switch command {
            case .cancel(let branch):
                cancelled.insert(branch)
            case .work(let branch), .commitPrepared(let branch), .rollbackPrepared(let branch),
                .fenceAndRollBack(let branch), .commitLocally(let branch),
                .askRegister(let branch), .release(let branch, _):
                guard unanswered.insert(branch).inserted else {
                    throw Violation("step: \(command), and the branch has an order unanswered")
                }
            }
        }
        try checkRequest(step)
        guard Set(step.timers.map(\.timer)).count == step.timers.count else {
            throw Violation("step: one timer twice")
        }
    }

    private func checkCompany(
        of command: BranchCommand, _ log: LogRequest?
    ) throws(Violation) {
        switch (log, command) {
        case (nil, _), (.accept, .work), (.decide, .cancel), (.tombstone, .cancel): break
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
        case .finish, .report:
            guard step.isLast else { throw Violation("step: an end that is not the last") }
        }
        if step.isLast {
            guard unanswered.isEmpty, !isLogAsked else {
                throw Violation("step: the last one while an answer is due")
            }
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
