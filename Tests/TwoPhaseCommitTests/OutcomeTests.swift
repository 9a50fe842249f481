import CommitProtocol
import Testing
import TransactionEngine

@testable import TwoPhaseCommit

/// Every error states the outcome; tests with a database show when each one occurs.
@Suite struct OutcomeTests {
    @Test(
        arguments: [
            (.unknownParticipant(branch: 0, name: "x"), .invalid),
            (.unacceptableSQL(branch: 0, statement: 0, reason: "x"), .invalid),
            (.tooManyBranches(branch: 1, participant: "x", count: 2, limit: 1), .invalid),
            (.participantUnavailable(name: "x", reason: "x"), .databaseUnavailable),
            (.preparedTransactionsDisabled(name: "x"), .preparedTransactionsDisabled),
            (
                .slotsExhausted(name: "x", usage: SlotUsage(limit: 1, own: 1)),
                .preparedTransactionsExhausted
            ),
            (.overloaded(.transactions(limit: 1)), .overloaded),
            (.overloaded(.waiting(limit: 1)), .overloaded),
            (
                .participantBusy(
                    name: "x", sessions: SessionUsage(limit: 1, open: 1), waited: .seconds(1)),
                .overloaded
            ), (.draining, .notRunning),
            (.stateUnavailable(reason: "x"), .stateDatabaseUnavailable),
        ] as [(AdmissionFailure, Refusal.Code)])
    func `a refusal is an abort with its code`(failure: AdmissionFailure, code: Refusal.Code) {
        let error = transactionError(.refused(failure))
        guard case .refused(let refusal) = error?.aborted else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(refusal.code == code)
        #expect(error?.description == "aborted: \(refusal.description)")
    }

    @Test func `cancelled and never-committing runs abort, an unknown outcome does not`() {
        guard case .cancelled? = transactionError(.refused(.cancelled))?.aborted else {
            Issue.record("a cancel is a cause of its own")
            return
        }
        #expect(transactionError(.neverCommits)?.description.hasPrefix("aborted: ") == true)
        let id = GlobalTransactionID(number: 7, salt: 7)
        guard case .unknown(let unknown)? = transactionError(.outcomeUnknown(id)) else {
            Issue.record("an unknown outcome is a case of its own")
            return
        }
        #expect(unknown.id.description == "\(id)")
        #expect(
            TransactionError.unknown(unknown).description
                == "outcome unknown: ask the coordinator for the status of \(id)")
    }

    @Test func `a commit in part names the databases and whether it is retried`() {
        let branch = UnconfirmedBranch(
            participant: 1, database: "orders", preparedTransaction: "gid", finding: nil)
        for (isRetried, words) in [(true, "retried in: orders"), (false, "otherwise in: orders")] {
            let part = CommittedInPart(
                id: TransactionID("1-0"), unconfirmed: [branch], isBeingRetried: isRetried)
            let description = TransactionError.committed(part).description
            #expect(description.hasPrefix("committed (1-0)"))
            #expect(description.hasSuffix(words))
        }
    }

    @Test func `branchError finds the failure whether or not the closure rethrew it`() {
        let error = BranchError(.statementFailed, "a statement failed")
        #expect(Aborted(id: nil, cause: .work(participant: 0, error)).branchError == error)
        #expect(Aborted(id: nil, cause: .branch(participant: 0, error)).branchError == error)
        #expect(Aborted(id: nil, cause: .work(participant: 0, Unrelated())).branchError == nil)
        #expect(Aborted(id: nil, cause: .deadline).branchError == nil)
    }

    private struct Unrelated: Error {}

    private func transactionError(_ answer: TransactionAnswer) -> TransactionError? {
        do throws(TransactionError) {
            _ = try CommitResult(answer, [], isLogless: false)
            Issue.record("it was committed")
            return nil
        } catch {
            return error
        }
    }
}
