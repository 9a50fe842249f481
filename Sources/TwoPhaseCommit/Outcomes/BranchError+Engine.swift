import TransactionEngine

extension BranchError {
    init(_ failure: BranchFailure) {
        let server = failure.report.map(ServerError.init)
        let statement = failure.statement.map { "statement \($0)" } ?? "a statement"
        switch failure.kind {
        case .statement:
            self.init(.statementFailed, "\(statement) failed", server: server)
        case .rowsUnexpected(let expected, let actual):
            self.init(
                .unexpectedRows, "\(statement): \(expected) rows were expected, not \(actual)")
        case .cannotBePrepared:
            self.init(.cannotBePrepared, "what was done cannot be prepared", server: server)
        case .constraintAtPrepare:
            self.init(.constraintAtPrepare, "a deferred constraint failed", server: server)
        case .slotsExhausted:
            self.init(
                .preparedTransactionsExhausted, "no room for another prepared transaction",
                server: server)
        case .preparedTransactionsDisabled:
            self.init(
                .preparedTransactionsDisabled, "prepared transactions are disabled",
                server: server)
        case .prepare:
            self.init(.prepareFailed, "PREPARE TRANSACTION failed", server: server)
        case .commit:
            self.init(.prepareFailed, "its COMMIT failed", server: server)
        case .wroteWhileReadOnly:
            self.init(
                .wroteWhileReadOnly, "it is declared read only, and has written", server: server)
        case .resultTooLarge:
            self.init(.resultTooLarge, "more rows or bytes came back than are allowed")
        case .connectionLost:
            self.init(.connectionLost, "the connection was lost", server: server)
        case .cancelled:
            self.init(.cancelled, "the transaction is being aborted", server: server)
        case .notDurable:
            self.init(.notDurable, "the wait for a standby was cut short", server: server)
        case .workThrew:
            self.init(.cancelled, "the closure threw an error")
        case .workUnfinished:
            self.init(
                .statementStillRunning, "the closure returned while its statement was running")
        case .unacceptableSQL(let reason):
            self.init(.unacceptableStatement, reason)
        }
    }

    init(_ error: OpenBranchError) {
        switch error {
        case .failed(let failure): self.init(failure)
        case .refused(let reason): self.init(.unacceptableStatement, reason)
        case .isOver:
            self.init(
                .transactionIsOver,
                "the transaction belongs to its closure, which has returned or been given up")
        }
    }
}

extension ServerError {
    init(_ report: BranchFailure.ServerReport) {
        self.init(
            sqlState: report.sqlState, message: report.message, detail: report.detail,
            hint: report.hint, constraint: report.constraint)
    }
}
