internal import CommitProtocol

/// The invariants, checked against what is true in the world.
extension Simulation {
    /// I2 and its mirror: no end is ordered before the decision is durable.
    func checkOrdering(_ step: Step, _ machine: TransactionMachine) throws(Violation) {
        for command in step.commands {
            switch command {
            case .work, .cancel, .queryCommitPoint: break
            case .commitPrepared, .release(_, .commit):
                guard world.isCommitDurable else {
                    throw Violation("I2: \(command) without a durable decision")
                }
            case .fenceAndRollBack(let branch)
            where world.sites[branch].commitMode == .readOnly && world.isCommitDurable:
                // Its session alone is ended; a commit keeps nothing of a read.
                break
            case .rollbackPrepared, .fenceAndRollBack, .release(_, .abort):
                // Without a row, ever, nobody else can decide: a withdrawal needs no record.
                let isWithdrawn = world.row == nil && machine.decision == nil
                guard world.isAbortDurable || isWithdrawn || isEndedAgainstForce(machine)
                else { throw Violation("I2: \(command) without a durable abort") }
            case .commitLocally(let branch):
                try checkLocalCommit(of: branch)
            }
        }
    }

    /// A copy that a backup made untrue: the register's own transaction is then ended by the fence.
    private func isEndedAgainstForce(_ machine: TransactionMachine) -> Bool {
        world.isMeddledWith && machine.decision == .commit
    }

    /// AC3 for a register: all others have voted, and what recovery needs is durable.
    private func checkLocalCommit(of commitPoint: Int) throws(Violation) {
        guard let row = world.row else { throw Violation("register: no row names it") }
        if world.sites[commitPoint].commitMode == .onePhase {
            guard row.isDelegated else { throw Violation("register: its id is not durable") }
        }
        for (branch, site) in world.sites.enumerated() where site.commitMode == .twoPhase {
            // Once another life has decided abort, a fence has made this commit impossible.
            guard site.standing == .prepared || site.isMeddledWith || world.isAbortDurable else {
                throw Violation("AC3: the register decides before branch \(branch) is prepared")
            }
        }
    }

    /// A caller hears once, and never more than is known.
    mutating func checkReply(_ said: Reply, of index: Int) throws(Violation) {
        guard incarnations[index].number == 0, reply == nil else {
            throw Violation("I5: a second answer, \(said) after \(reply.map { "\($0)" } ?? "none")")
        }
        reply = said
        let isTrue =
            switch said {
            case .committed:
                world.isCommitDurable || world.isMeddledWith
                    ? world.sites.allSatisfy {
                        $0.standing == .committed || $0.isMeddledWith || $0.commitMode == .readOnly
                    } : false
            case .committing: world.isCommitDurable || world.isMeddledWith
            case .aborted: world.isAbortDurable || isRolledBackCommitPoint
            case .needsOperator: world.isMeddledWith
            case .keyTaken: world.isKeyTaken || world.row != nil
            case .outcomeUnknown, .notAccepted, .neverCommits: true
            }
        guard isTrue else { throw Violation("I2: the caller is told \(said), which is not known") }
        // Its request began before anybody was told anything.
        switch said {
        case .committed: try tell(Told(decision: .commit, isEnd: true), after: Told())
        case .committing: try tell(Told(decision: .commit), after: Told())
        case .aborted: try tell(Told(decision: .abort), after: Told())
        case .needsOperator, .keyTaken, .outcomeUnknown, .notAccepted, .neverCommits: break
        }
    }

    /// A one-phase branch that PostgreSQL rolled back is the abort.
    var isRolledBackCommitPoint: Bool {
        world.commitPoint.map { world.sites[$0].standing == .rolledBack } ?? false
    }

    /// What a life believes when it forgets the transaction.
    func checkEnd(of incarnation: Incarnation) throws(Violation) {
        let machine = incarnation.machine
        if incarnation.number == 0, reply == nil {
            throw Violation("AC5: the caller was never answered")
        }
        if machine.phase == .undecidable {
            guard world.isMeddledWith else {
                throw Violation("I9: an operator is called for nothing")
            }
            return
        }
        if case .ended(let decision) = machine.phase {
            let isTrue =
                world.row?.decision == decision
                || world.commitPoint.map { world.sites[$0].recordedDecision == decision } ?? false
            guard isTrue || world.isMeddledWith else {
                throw Violation("I1: ended by \(decision), which nothing says")
            }
        }
        for (branch, site) in world.sites.enumerated() {
            try checkOutcome(machine.branches[branch], site, branch)
        }
        let isOtherwise = machine.branches.contains { !($0.outcome?.isAsDecided ?? false) }
        if isOtherwise, machine.state != .needsOperator {
            throw Violation("AC1: an end against the decision is hidden")
        }
        if machine.state == .needsOperator, !world.isMeddledWith {
            throw Violation("I9: an operator is called for nothing")
        }
    }

    /// AC1, AC2: an outcome is what happened, and one against the decision is not hidden.
    private func checkOutcome(
        _ branch: Branch, _ site: Site, _ number: Int
    ) throws(Violation) {
        let isTrue =
            switch branch.outcome {
            case nil: false
            case .committed where site.commitMode == .readOnly: site.standing != .open
            // A restored register may have lost what it had answered.
            case .committed where site.commitMode.isCommitPoint:
                site.standing == .committed || site.isMeddledWith
            case .committed, .heuristicCommit: site.standing == .committed
            // Without evidence the fence cannot tell an operator's commit from a rollback.
            case .rolledBack:
                ![.committed, .open, .prepared].contains(site.standing)
                    || site.isMeddledWith && branch.evidence == nil
            case .heuristicRollback: site.standing == .rolledBack && site.isMeddledWith
            case .heuristicMixed: false
            case .heuristicHazard: site.isMeddledWith
            }
        guard isTrue else {
            throw Violation(
                "AC1: branch \(number) is \(site.standing), and is reported as "
                    + (branch.outcome.map { "\($0)" } ?? "open"))
        }
    }

    /// What must hold once nothing happens any more.
    func checkAtRest() throws(Violation) {
        let decision =
            world.row?.decision ?? world.commitPoint.flatMap { world.sites[$0].recordedDecision }
        if let row = world.row, !row.isFinished, !row.isReported {
            throw Violation("AC5: the row is unfinished")
        }
        for (branch, site) in world.sites.enumerated() {
            try checkAtRest(site, branch, decision)
        }
        if !hasFailed, decision != .commit {
            throw Violation("AC4: nothing failed, and it was not committed")
        }
        let isTrue =
            switch reply {
            case .neverCommits, .keyTaken, .notAccepted, .aborted: decision != .commit
            case .committed, .committing: decision == .commit || world.isMeddledWith
            case nil, .outcomeUnknown, .needsOperator: true
            }
        guard isTrue, told.decision == nil || told.decision == decision || world.isMeddledWith
        else {
            throw Violation("I5: somebody was told otherwise than it ended")
        }
    }

    private func checkAtRest(
        _ site: Site, _ branch: Int, _ decision: Decision?
    ) throws(Violation) {
        if site.executions > 1 { throw Violation("AC2: branch \(branch) took effect twice") }
        switch site.session {
        case .workReplyLost, .commitReplyLost, .holds:
            throw Violation("I4: a session of branch \(branch) is left behind")
        case .none, .gone: break
        }
        if world.row?.isReported == true { return }
        let isReadOnly = site.commitMode == .readOnly
        let isLegal =
            switch site.standing {
            case .nothing: decision != .commit || isReadOnly
            case .open, .prepared: false
            case .committed: decision == .commit || site.isMeddledWith
            case .rolledBack: decision != .commit || site.isMeddledWith || isReadOnly
            }
        guard isLegal else {
            throw Violation("AC1: branch \(branch) is \(site.standing) at rest")
        }
    }
}
