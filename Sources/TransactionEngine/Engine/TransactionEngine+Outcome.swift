import CommitProtocol

extension TransactionEngine {
    /// Completes the record with what is written beside the decision.
    ///
    /// A register may refuse what it was asked to commit; what was prepared for the one decision is
    /// then replaced by what belongs to the other.
    func prepareOutcome(_ decision: Decision, _ drive: Drive) {
        guard drive.preparedFor != decision else { return }
        drive.preparedFor = decision
        drive.record.decidedAt = clock.wallTime
        switch decision {
        case .commit:
            if !drive.isAdopted {
                keepResults(drive)
            } else if drive.record.results == nil {
                // Another life worked, and what it saw is gone with it.
                drive.record.areResultsOmitted = true
            }
        case .abort:
            drive.record.results = nil
            drive.record.areResultsOmitted = false
            guard !drive.obeysAbort, let cause = drive.machine.cause else { return }
            drive.record.problem = encoding.problem(drive.record, cause, drive.decisiveFailure)
        }
    }

    private func keepResults(_ drive: Drive) {
        let results = encoding.results(drive.reports.map { $0?.results ?? [] })
        drive.record.results = results
        if results.count > limits.storedResultBytesMax {
            drive.record.areResultsOmitted = true
        }
    }

    /// Somebody else's abort has no problem of ours yet.
    func rememberForeignAbort(_ id: GlobalTransactionID) {
        guard let drive = drives[id], drive.record.problem == nil else { return }
        drive.record.problem = encoding.problem(
            drive.record, drive.machine.cause ?? .decidedElsewhere, drive.decisiveFailure)
        drive.record.results = nil
    }
}
