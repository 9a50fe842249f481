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
                // Without a row no other replica can decide, so a withdrawal needs no record.
                let isWithdrawn = world.row == nil && machine.decision == nil
                guard world.isAbortDurable || isWithdrawn || isEndedAgainstForce(machine)
                else { throw Violation("I2: \(command) without a durable abort") }
            case .commitLocally(let branch):
                try checkLocalCommit(of: branch)
            }
        }
    }

    /// Whether the row says commit and the commit point was restored, so that the fence may end it.
    private func isEndedAgainstForce(_ machine: TransactionMachine) -> Bool {
        world.hasInterference && machine.decision == .commit
    }

    /// Checks AC3 for the commit point: all others have voted, and what recovery needs is durable.
    private func checkLocalCommit(of commitPoint: Int) throws(Violation) {
        guard let row = world.row else { throw Violation("commit point: there is no row") }
        if world.sites[commitPoint].commitMode == .onePhase {
            guard row.isDelegated else {
                throw Violation("commit point: its transaction id is not durable")
            }
        }
        for (branch, site) in world.sites.enumerated() where site.commitMode == .twoPhase {
            // If another incarnation decided abort, its fence has made this commit impossible.
            guard site.standing == .prepared || site.hasInterference || world.isAbortDurable else {
                throw Violation("AC3: the commit point commits before branch \(branch) is prepared")
            }
        }
    }

    /// Checks the reply to the caller: one, and no more than is known.
    mutating func checkReply(_ new: Reply, of index: Int) throws(Violation) {
        guard incarnations[index].number == 0, reply == nil else {
            throw Violation("I5: a second reply, \(new) after \(reply.map { "\($0)" } ?? "none")")
        }
        reply = new
        let isTrue =
            switch new {
            case .committed:
                world.isCommitDurable || world.hasInterference
                    ? world.sites.allSatisfy {
                        $0.standing == .committed || $0.hasInterference
                            || $0.commitMode == .readOnly
                    } : false
            case .committing: world.isCommitDurable || world.hasInterference
            case .aborted: world.isAbortDurable || isRolledBackCommitPoint
            case .needsOperator: world.hasInterference
            case .keyTaken: world.isKeyTaken || world.row != nil
            case .outcomeUnknown, .notAccepted, .neverCommits: true
            }
        guard isTrue else { throw Violation("I2: replied \(new), which is not known") }
        // The caller's request began before any report.
        switch new {
        case .committed: try report(Reported(decision: .commit, isFinal: true), after: Reported())
        case .committing: try report(Reported(decision: .commit), after: Reported())
        case .aborted: try report(Reported(decision: .abort), after: Reported())
        case .needsOperator, .keyTaken, .outcomeUnknown, .notAccepted, .neverCommits: break
        }
    }

    /// Whether PostgreSQL rolled the one-phase branch back, which is the abort.
    var isRolledBackCommitPoint: Bool {
        world.commitPoint.map { world.sites[$0].standing == .rolledBack } ?? false
    }

    /// Checks an incarnation's result when it forgets the transaction.
    func checkEnd(of incarnation: Incarnation) throws(Violation) {
        let machine = incarnation.machine
        if incarnation.number == 0, reply == nil {
            throw Violation("AC5: no reply to the caller")
        }
        if machine.phase == .undecidable {
            guard world.hasInterference else {
                throw Violation("I9: needsOperator without a reason")
            }
            return
        }
        if case .finished(let decision) = machine.phase {
            let isTrue =
                world.row?.decision == decision
                || world.commitPoint.map { world.sites[$0].recordedDecision == decision } ?? false
            guard isTrue || world.hasInterference else {
                throw Violation("I1: ended by \(decision), which is recorded nowhere")
            }
        }
        for (branch, site) in world.sites.enumerated() {
            try checkOutcome(of: machine.branches[branch], at: site, number: branch)
        }
        let isOtherwise = machine.branches.contains { !($0.outcome?.isAsDecided ?? false) }
        if isOtherwise, machine.state != .needsOperator {
            throw Violation("AC1: a heuristic outcome is hidden")
        }
        if machine.state == .needsOperator, !world.hasInterference {
            throw Violation("I9: needsOperator without a reason")
        }
    }

    /// Checks AC1 and AC2: an outcome is what happened.
    private func checkOutcome(
        of branch: Branch, at site: Site, number: Int
    ) throws(Violation) {
        let isTrue =
            switch branch.outcome {
            case nil: false
            case .committed where site.commitMode == .readOnly: site.standing != .open
            // A restored commit point may have lost its commit.
            case .committed where site.commitMode.isCommitPoint:
                site.standing == .committed || site.hasInterference
            case .committed, .heuristicCommit: site.standing == .committed
            // Without evidence the fence cannot tell an operator's commit from a rollback.
            case .rolledBack:
                ![.committed, .open, .prepared].contains(site.standing)
                    || site.hasInterference && branch.evidence == nil
            case .heuristicRollback: site.standing == .rolledBack && site.hasInterference
            case .heuristicMixed: false
            case .heuristicHazard: site.hasInterference
            }
        guard isTrue else {
            throw Violation(
                "AC1: branch \(number) is \(site.standing), but recorded as "
                    + (branch.outcome.map { "\($0)" } ?? "open"))
        }
    }

    /// Checks the state in which nothing can happen any more.
    func checkAtRest() throws(Violation) {
        let decision =
            world.row?.decision ?? world.commitPoint.flatMap { world.sites[$0].recordedDecision }
        if let row = world.row, !row.isFinished, !row.isReported {
            throw Violation("AC5: the row is unfinished")
        }
        for (branch, site) in world.sites.enumerated() {
            try checkAtRest(site, of: branch, decision: decision)
        }
        if !hasFailed, decision != .commit {
            throw Violation("AC4: not committed, although nothing failed")
        }
        let isTrue =
            switch reply {
            case .neverCommits, .keyTaken, .notAccepted, .aborted: decision != .commit
            case .committed, .committing: decision == .commit || world.hasInterference
            case nil, .outcomeUnknown, .needsOperator: true
            }
        guard isTrue,
            reported.decision == nil || reported.decision == decision || world.hasInterference
        else {
            throw Violation("I5: a report differs from the outcome")
        }
    }

    private func checkAtRest(
        _ site: Site, of branch: Int, decision: Decision?
    ) throws(Violation) {
        if site.executions > 1 { throw Violation("AC2: branch \(branch) took effect twice") }
        switch site.session {
        case .workReplyLost, .commitReplyLost, .holds:
            throw Violation("I4: a session of branch \(branch) is left")
        case .none, .gone: break
        }
        if world.row?.isReported == true { return }
        let isReadOnly = site.commitMode == .readOnly
        let isLegal =
            switch site.standing {
            case .nothing: decision != .commit || isReadOnly
            case .open, .prepared: false
            case .committed: decision == .commit || site.hasInterference
            case .rolledBack: decision != .commit || site.hasInterference || isReadOnly
            }
        guard isLegal else {
            throw Violation("AC1: branch \(branch) is \(site.standing) at rest")
        }
    }
}
