import TransactionEngine

extension BranchError {
    init(_ failure: BranchFailure) {
        let (code, sentence) = Self.describe(failure.kind)
        let message =
            switch (failure.statement, failure.kind) {
            case (nil, _): sentence
            case (let statement?, .statement): "statement \(statement) failed"
            case (let statement?, _): "statement \(statement): \(sentence)"
            }
        self.init(
            code, message, statement: failure.statement,
            server: failure.report.map(ServerError.init))
    }

    init(_ error: OpenBranchError) {
        switch error {
        case .failed(let failure): self.init(failure)
        case .refused(let statement, let reason):
            self.init(BranchFailure(.unacceptableSQL(reason: reason), statement: statement))
        case .isOver:
            self.init(
                .transactionIsOver,
                "the transaction ended when its closure returned or exceeded its time limit")
        }
    }

    private static func describe(_ kind: BranchFailure.Kind) -> (Code, String) {
        switch kind {
        case .statement: (.statementFailed, "a statement failed")
        case .rowsUnexpected(let expected, let actual):
            (.unexpectedRows, "expected \(expected) rows, got \(actual)")
        case .cannotBePrepared: (.cannotBePrepared, "the work cannot be prepared")
        case .constraintAtPrepare:
            (.constraintAtPrepare, "a deferred constraint or trigger failed")
        case .slotsExhausted:
            (.preparedTransactionsExhausted, "the server has no free slot to prepare a transaction")
        case .preparedTransactionsDisabled:
            (.preparedTransactionsDisabled, "the server has max_prepared_transactions = 0")
        case .prepare: (.prepareFailed, "PREPARE TRANSACTION failed")
        case .commit: (.prepareFailed, "COMMIT failed")
        case .wroteWhileReadOnly:
            (.wroteWhileReadOnly, "the participant is declared read-only and has written")
        case .resultTooLarge: (.resultTooLarge, "the result has too many rows or bytes")
        case .connectionLost: (.connectionLost, "the connection was lost")
        case .blockedByItself(let branch, _):
            (
                .blockedByItself,
                "it waits for a lock that participant \(branch) of the same transaction holds until "
                    + "both have finished; use one participant for both"
            )
        case .deadlock(let cycle):
            (
                .deadlock,
                "it waited for a lock\(cycle.waits.first?.relation.map { " in \($0)" } ?? "") in a "
                    + "cycle of \(cycle.waits.count) transactions, and was aborted so that the "
                    + "others could go on"
            )
        case .cancelled: (.cancelled, "the transaction aborts")
        case .notDurable: (.notDurable, "the server stopped waiting for a standby")
        case .workThrew: (.cancelled, "the closure threw an error")
        case .workUnfinished:
            (.statementStillRunning, "the closure returned while its statement was running")
        case .unacceptableSQL(let reason): (.unacceptableStatement, reason)
        }
    }
}
