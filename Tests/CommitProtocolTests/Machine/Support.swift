import CommitProtocol

/// Evidence that tells its branch apart.
func evidence(_ branch: Int) -> PreparedEvidence {
    PreparedEvidence(
        transactionID: UInt64(1_000 + branch), owner: "tandem", systemIdentifier: "7000",
        timeline: 1,
        location: "0/16B3748")
}

let someTransaction = GlobalTransactionID(number: 7, salt: 0xfeed)

extension TransactionMachine {
    /// A machine that has begun.
    static func begun(_ branchCount: Int, _ order: AcceptanceTiming = .overlapping) -> Self {
        var machine = TransactionMachine(transaction: someTransaction, branchCount: branchCount)
        machine.tell(.begin(order))
        return machine
    }

    /// A machine that was told these events after it had begun.
    static func after(_ branchCount: Int, _ events: Event...) -> Self {
        var machine = begun(branchCount)
        for event in events { machine.tell(event) }
        return machine
    }

    /// A machine whose branches end in these ways, and that has begun.
    static func begun(_ commitModes: [CommitMode]) -> Self {
        var machine = TransactionMachine(transaction: someTransaction, commitModes: commitModes)
        machine.tell(.begin(.overlapping))
        return machine
    }

    /// A machine that adopted a row; every branch is prepared unless its ending is given.
    static func adopted(
        _ decision: Decision?, commitModes: [CommitMode]? = nil, isDelegated: Bool = false,
        _ branches: RecoveredBranch...
    ) -> (machine: Self, step: Step) {
        var machine = TransactionMachine(
            transaction: someTransaction,
            commitModes: commitModes ?? Array(repeating: .twoPhase, count: branches.count))
        let recovered = RecoveredTransaction(
            decision: decision, isDelegated: isDelegated, branches: branches)
        let step = machine.tell(.adopt(recovered))
        return (machine, step)
    }

    /// Hands an event over at a time well before the deadline, unless told otherwise.
    @discardableResult
    mutating func tell(_ event: Event, at now: Int64 = 0) -> Step {
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

    static func ended(_ outcome: Outcome) -> Self {
        RecoveredBranch(evidence: nil, outcome: outcome)
    }
}
