import CommitProtocol

/// Evidence that differs between branches.
func evidence(_ branch: Int) -> PreparedEvidence {
    PreparedEvidence(
        transactionID: UInt64(1_000 + branch), owner: "tandem", systemIdentifier: "7000",
        timeline: 1,
        location: "0/16B3748")
}

let someTransaction = GlobalTransactionID(number: 7, salt: 0xfeed)

extension TransactionMachine {
    /// A machine that has begun.
    static func begun(_ branchCount: Int, _ timing: AcceptanceTiming = .overlapping) -> Self {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: branchCount)
        machine.handle(.begin(timing))
        return machine
    }

    /// A machine that has begun and handled these events.
    static func after(_ branchCount: Int, _ events: Event...) -> Self {
        var machine = begun(branchCount)
        for event in events { machine.handle(event) }
        return machine
    }

    /// A machine with these commit modes that has begun.
    static func begun(_ commitModes: [CommitMode]) -> Self {
        var machine = TransactionMachine(transaction: someTransaction, commitModes: commitModes)
        machine.handle(.begin(.overlapping))
        return machine
    }

    /// A machine that adopted a row, by default of two-phase branches.
    static func adopted(
        _ decision: Decision?, commitModes: [CommitMode]? = nil, isDelegated: Bool = false,
        _ branches: RecoveredBranch...
    ) -> (machine: Self, step: Step) {
        var machine = TransactionMachine(
            transaction: someTransaction,
            commitModes: commitModes ?? Array(repeating: .twoPhase, count: branches.count))
        let recovered = RecoveredTransaction(
            decision: decision, isDelegated: isDelegated, branches: branches)
        let step = machine.handle(.adopt(recovered))
        return (machine, step)
    }

    /// Handles an event, by default well before the deadline.
    @discardableResult
    mutating func handle(_ event: Event, at now: Int64 = 0) -> Step {
        handle(event, at: now, deadline: 1_000)
    }
}

extension Event {
    static func yes(_ branch: Int) -> Event { .voted(branch: branch, .prepared(evidence(branch))) }
}

extension RecoveredBranch {
    static func open(_ evidence: PreparedEvidence? = nil) -> Self {
        RecoveredBranch(evidence: evidence, outcome: nil)
    }

    static func finished(_ outcome: Outcome) -> Self {
        RecoveredBranch(evidence: nil, outcome: outcome)
    }
}
