import CommitProtocol

/// The invariants, checked against what is true in the world.
extension Explorer {
    /// I2 and its mirror: no end is ordered before the decision is durable.
    func checkOrders(_ step: Step, _ machine: Coordinator) throws(Violation) {
        for command in step.commands {
            switch command {
            case .work, .cancel, .commitLocally, .askRegister, .release: break
            case .commitPrepared:
                guard world.row?.decision == .commit else {
                    throw Violation("I2: \(command) without a durable decision")
                }
            case .rollbackPrepared, .fenceAndRollBack:
                // Without a row, ever, nobody else can decide: a withdrawal needs no record.
                let isWithdrawn = world.row == nil && machine.decision == nil
                guard world.row?.decision == .abort || isWithdrawn
                else { throw Violation("I2: \(command) without a durable abort") }
            }
        }
    }

    /// A caller hears once, and never more than is known.
    mutating func checkReply(_ said: Reply, of index: Int) throws(Violation) {
        guard drivers[index].life == 0, reply == nil else {
            throw Violation("I5: a second answer, \(said) after \(reply.map { "\($0)" } ?? "none")")
        }
        reply = said
        let decision = world.row?.decision
        let isTrue =
            switch said {
            case .committed:
                decision == .commit
                    && world.sites.allSatisfy { $0.standing == .committed || $0.isMeddledWith }
            case .committing: decision == .commit
            case .aborted: decision == .abort
            case .needsOperator: decision != nil && world.sites.contains(where: \.isMeddledWith)
            case .keyTaken: world.isKeyTaken || world.row != nil
            case .outcomeUnknown, .notAccepted, .neverCommits: true
            }
        guard isTrue else { throw Violation("I2: the caller is told \(said), which is not known") }
    }

    /// What a driver believes when it forgets the transaction.
    func checkEnd(of driver: Driver) throws(Violation) {
        let machine = driver.machine
        if case .ended(let decision) = machine.phase, world.row?.decision != decision {
            throw Violation("I1: ended by \(decision), and the row says otherwise")
        }
        if driver.life == 0, reply == nil { throw Violation("AC5: the caller was never answered") }
        for (branch, site) in world.sites.enumerated() {
            try checkOutcome(machine.branches[branch], site, branch)
            // Another process that still works on it finishes what it does there.
            guard drivers.isEmpty, flights.allSatisfy({ $0.driver == nil || isLog($0) }) else {
                continue
            }
            guard site.standing != .prepared, !site.mayPrepareLate else {
                throw Violation("I4: branch \(branch) is left behind")
            }
        }
        let isMeddledWith = world.sites.contains(where: \.isMeddledWith)
        let isOtherwise = machine.branches.contains { !($0.outcome?.isAsDecided ?? false) }
        if isOtherwise, machine.state != .needsOperator {
            throw Violation("AC1: an end against the decision is hidden")
        }
        if machine.state == .needsOperator, !isMeddledWith {
            throw Violation("I9: an operator is called for nothing")
        }
    }

    private func isLog(_ flight: Flight) -> Bool {
        if case .log = flight.order { true } else { false }
    }

    /// AC1, AC2: an outcome is what happened, and one against the decision is not hidden.
    private func checkOutcome(
        _ branch: Branch, _ site: World.Site, _ number: Int
    ) throws(Violation) {
        let isTrue =
            switch branch.outcome {
            case nil: false
            case .committed, .heuristicCommit: site.standing == .committed
            // Without evidence the fence cannot tell an operator's commit from a rollback.
            case .rolledBack:
                site.standing != .committed || site.isMeddledWith && branch.evidence == nil
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
        let decision = world.row?.decision
        if let row = world.row, !row.isFinished { throw Violation("AC5: the row is unfinished") }
        for (branch, site) in world.sites.enumerated() {
            let isLegal =
                switch site.standing {
                case .nothing: decision != .commit
                case .prepared: false
                case .committed: decision == .commit || site.isMeddledWith
                case .rolledBack: decision != .commit || site.isMeddledWith
                }
            guard isLegal else {
                throw Violation("AC1: branch \(branch) is \(site.standing) at rest")
            }
        }
        if !hasFailed, decision != .commit {
            throw Violation("AC4: nothing failed, and it was not committed")
        }
        switch reply {
        case .neverCommits, .keyTaken, .notAccepted, .aborted:
            guard decision != .commit else {
                throw Violation("I5: the caller was told otherwise, and it committed")
            }
        case .committed, .committing:
            guard decision == .commit else {
                throw Violation("I5: the caller was told otherwise, and it aborted")
            }
        case nil, .outcomeUnknown, .needsOperator: break
        }
    }
}
