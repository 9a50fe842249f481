import CommitProtocol

extension TransactionEngine {
    /// Completes the record with what is written beside the decision.
    ///
    /// A register may refuse what it was asked to commit; what was prepared for the one decision is
    /// then replaced by what belongs to the other.
    func prepareOutcome(_ decision: Decision, _ transaction: ActiveTransaction) {
        guard transaction.preparedFor != decision else { return }
        transaction.preparedFor = decision
        transaction.record.decidedAt = clock.wallTime
        switch decision {
        case .commit:
            if !transaction.isAdopted {
                keepResults(transaction)
            } else if transaction.record.results == nil {
                // Another life worked, and what it saw is gone with it.
                transaction.record.areResultsOmitted = true
            }
        case .abort:
            transaction.record.results = nil
            transaction.record.areResultsOmitted = false
            guard !transaction.obeysAbort, let cause = transaction.machine.cause else { return }
            transaction.record.problem = encoding.problem(
                transaction.record, cause, transaction.decisiveFailure)
        }
    }

    private func keepResults(_ transaction: ActiveTransaction) {
        let results = encoding.results(transaction.reports.map { $0?.results ?? [] })
        transaction.record.results = results
        if results.count > limits.storedResultBytesMax {
            transaction.record.areResultsOmitted = true
        }
    }

    /// Somebody else's abort has no problem of ours yet.
    func rememberForeignAbort(_ id: GlobalTransactionID) {
        guard let transaction = transactions[id], transaction.record.problem == nil else { return }
        transaction.record.problem = encoding.problem(
            transaction.record, transaction.machine.cause ?? .decidedElsewhere,
            transaction.decisiveFailure)
        transaction.record.results = nil
    }
}
