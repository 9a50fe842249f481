import CommitProtocol
import Testing
import TransactionEngine

@testable import CoordinatorAPI

@Suite("What a problem tells its reader to do")
struct ProblemAdvice {
    private static let newKey = "Try again with a new Idempotency-Key."

    private static func record(hasKey: Bool = true) -> TransactionRecord {
        TransactionRecord(
            id: GlobalTransactionID(number: 1, salt: 1), principal: "p",
            idempotency: hasKey ? .init(keyDigest: [1], requestDigest: [2]) : nil,
            isolation: .readCommitted, labels: [], owner: "replica-1", epoch: 1, acceptedAt: 0,
            deadline: 0, state: .aborted,
            branches: ["users", "orders"].map { BranchRecord(participant: $0, gid: "g-\($0)") })
    }

    @Test(
        "exactly the aborts that are retryable end with the advice to try again",
        arguments: [
            AbortCause.deadlinePassed, .requested, .acceptanceUnknown, .recovered,
            .decidedElsewhere,
        ])
    func causes(_ cause: AbortCause) {
        let problem = Problem(aborting: Self.record(), cause, nil)
        #expect(problem.detail.hasSuffix(". " + Self.newKey) == problem.isRetryable)
        #expect(problem.isRetryable == (cause != .requested))
        let keyless = Problem(aborting: Self.record(hasKey: false), cause, nil)
        #expect(keyless.detail.hasSuffix(". Try again.") == keyless.isRetryable)
        #expect(!keyless.detail.contains("Idempotency-Key"))
    }

    @Test(
        "so do refusals by PostgreSQL, whatever its text ends with",
        arguments: ["no luck", "no luck."], ["40001", "53200", "55P03", "23505"])
    func refusals(text: String, sqlState: String) {
        let failure = BranchFailure(
            .statement, statement: 0, report: .init(sqlState: sqlState, message: text))
        let problem = Problem(aborting: Self.record(), .refused(branch: 1), failure)
        let isRetryable = sqlState != "23505"
        #expect(problem.isRetryable == isRetryable)
        #expect(
            problem.detail
                == "Statement 0 in orders failed: "
                + (isRetryable ? "no luck. \(Self.newKey)" : text))
    }

    @Test("a transaction that needs an operator asks for one only where nothing is recorded")
    func operators() throws {
        var record = Self.record()
        record.problem = OutcomeEncoding.json.problem(record, .deadlinePassed, nil)
        record.state = .needsOperator
        record.decision = .abort
        record.branches[0].outcome = .heuristicCommit
        record.branches[1].outcome = .heuristicCommit
        func detail() -> String { Problem(needsOperator: record)?.detail ?? "" }
        #expect(detail().contains("An operator must check the data and record the result"))
        // The cause of the abort is quoted without its advice.
        #expect(detail().hasSuffix("timeoutMilliseconds may help."))

        for branch in 0...1 {
            record.resolutions.append(
                Resolution(
                    branch: branch, action: .committed, actor: "amy", reason: "looked",
                    isForced: false))
            record.resolutionCount = branch + 1
            #expect(!detail().contains("must check"))
            #expect(detail().contains("needs POST .../resolution") == (branch == 0))
        }
        #expect(detail().contains("An operator has recorded what became of each"))
        let status = try JSONReader.read(RecordRendering.json(record))
        let shown = try #require(status["problem"]?["detail"]?.string)
        #expect(!shown.contains("Try again"))
        #expect(status["problem"]?["retryable"] == .bool(false))
    }
}
