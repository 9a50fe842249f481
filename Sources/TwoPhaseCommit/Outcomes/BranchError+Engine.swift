import TransactionEngine

extension BranchError {
    init(_ failure: BranchFailure) {
        self.init(
            Code(failure.kind), Self.message(failure), statement: failure.statement,
            server: failure.report.map(ServerError.init))
    }

    private static func message(_ failure: BranchFailure) -> String {
        guard let statement = failure.statement else { return sentence(failure.kind) }
        if case .statement = failure.kind { return "statement \(statement) failed" }
        return "statement \(statement): \(sentence(failure.kind))"
    }

    private static func sentence(_ kind: BranchFailure.Kind) -> String {
        switch kind {
        case .statement: "a statement failed"
        case .rowsUnexpected(let expected, let actual):
            "\(expected) rows were expected, not \(actual)"
        case .cannotBePrepared: "what was done cannot be prepared"
        case .constraintAtPrepare: "a deferred constraint or trigger failed"
        case .slotsExhausted: "no room for another prepared transaction"
        case .preparedTransactionsDisabled: "prepared transactions are disabled"
        case .prepare: "PREPARE TRANSACTION failed"
        case .commit: "its COMMIT failed"
        case .wroteWhileReadOnly: "it is declared read only, and has written"
        case .resultTooLarge: "more rows or bytes came back than are allowed"
        case .connectionLost: "the connection was lost"
        case .blockedByItself(let branch, _):
            "it waits for a lock that participant \(branch) of the same transaction holds until both "
                + "have ended; use one participant for both"
        case .cancelled: "the transaction is being aborted"
        case .notDurable: "the wait for a standby was cut short"
        case .workThrew: "the closure threw an error"
        case .workUnfinished: "the closure returned while its statement was running"
        case .unacceptableSQL(let reason): reason
        }
    }

    init(_ error: OpenBranchError) {
        switch error {
        case .failed(let failure): self.init(failure)
        case .refused(let statement, let reason):
            self.init(BranchFailure(.unacceptableSQL(reason: reason), statement: statement))
        case .isOver:
            self.init(
                .transactionIsOver,
                "the transaction belongs to its closure, which has returned or been given up")
        }
    }
}

extension BranchError.Code {
    fileprivate init(_ kind: BranchFailure.Kind) {
        self =
            switch kind {
            case .statement: .statementFailed
            case .rowsUnexpected: .unexpectedRows
            case .cannotBePrepared: .cannotBePrepared
            case .constraintAtPrepare: .constraintAtPrepare
            case .slotsExhausted: .preparedTransactionsExhausted
            case .preparedTransactionsDisabled: .preparedTransactionsDisabled
            case .prepare, .commit: .prepareFailed
            case .wroteWhileReadOnly: .wroteWhileReadOnly
            case .resultTooLarge: .resultTooLarge
            case .blockedByItself: .blockedByItself
            case .connectionLost: .connectionLost
            case .cancelled, .workThrew: .cancelled
            case .notDurable: .notDurable
            case .workUnfinished: .statementStillRunning
            case .unacceptableSQL: .unacceptableStatement
            }
    }
}

extension ServerError {
    init(_ report: BranchFailure.ServerReport) {
        self.init(
            sqlState: report.sqlState, message: report.message, detail: report.detail,
            hint: report.hint, position: report.position, context: report.context,
            schema: report.schema, table: report.table, column: report.column,
            constraint: report.constraint)
    }
}
