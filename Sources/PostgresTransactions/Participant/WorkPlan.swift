import CommitProtocol
import PostgresClient
import TransactionEngine

/// The commands of one branch, and how their replies are read.
struct WorkPlan {
    private(set) var commands: [Command]
    let returnsRows: Bool
    /// Lists among the caller's parameters, by their command: its text depends on the server's types.
    private(set) var lists: [Int: [Int: any ListParameter]] = [:]
    /// Which commands are the caller's: the limits are for their rows, not for the evidence.
    let limited: Range<Int>
    private let statements: [Statement]
    private let commitMode: CommitMode
    /// Where the evidence is among the replies (of a branch that only reads: whether it still does).
    private let proofIndex: Int
    /// Where the last reply is: of a branch that is prepared, PREPARE's.
    private let lastIndex: Int

    /// Everything from BEGIN to PREPARE around statements that are known beforehand.
    init(_ inspected: [InspectedStatement], _ order: WorkRequest, hasWitness: Bool = false) {
        statements = inspected.map(\.statement)
        commitMode = order.commitMode
        returnsRows = inspected.contains(where: \.returnsRows)
        var work = [Self.begin(order.isolation, order.commitMode)]
        for statement in statements {
            if !statement.lists.isEmpty { lists[work.count] = statement.lists }
            work.append(Command(statement.sql, statement.parameters))
        }
        limited = 1..<work.count
        proofIndex = work.count + Self.proofOffset(order.commitMode)
        work += Self.closing(order, hasWitness: hasWitness)
        lastIndex = work.count - 1
        commands = work
    }

    /// What follows the caller's own code, of which BEGIN (if it was not sent yet) is a part.
    init(
        closing order: WorkRequest, hasBegun: Bool, hasWitness: Bool = false
    ) {
        statements = []
        commitMode = order.commitMode
        returnsRows = false
        limited = 0..<0
        proofIndex = 1 + Self.proofOffset(order.commitMode)
        let closing = Self.closing(order, hasWitness: hasWitness)
        lastIndex = closing.count
        // The same replies either way, so that there is one reading of them.
        commands = hasBegun ? closing : [Self.begin(order.isolation, order.commitMode)] + closing
    }

    /// The same work with nothing in it that was prepared before, not even by the work itself.
    var preparedAnew: WorkPlan {
        var plan = self
        plan.commands = commands.map(\.preparedAnew)
        return plan
    }

    /// Whether nothing of the branch is left in the session, as far as the replies tell: once it is
    /// prepared, or when what it holds has ended.
    ///
    /// A role is the branch's until its proof and is reset there; a session authorization is left to
    /// `reset`, for only few may change it.
    func leavesClean(_ replies: [CommandReply], facts: SessionFacts) -> Bool {
        guard replies.count == lastIndex + 1, Self.haveCompleted(replies),
            case .completed(let last) = replies[lastIndex],
            case .completed(let proof) = replies[proofIndex],
            proof.text(row: 0, column: 3) == facts.user
        else { return false }
        return commitMode == .twoPhase
            ? last.tag == "PREPARE TRANSACTION"
            : proof.text(row: 0, column: 4) == "0" && proof.text(row: 0, column: 5) == "f"
    }

    /// Whether every one of the commands was done.
    static func haveCompleted(_ replies: some Sequence<CommandReply>) -> Bool {
        replies.allSatisfy { if case .completed = $0 { true } else { false } }
    }

    /// Reads the replies of a work that is whole: BEGIN, statements, and what closes it.
    ///
    /// `arrays` are the array types of the results that are not built in.
    func report(
        _ replies: [CommandReply], facts: SessionFacts, arrays: [UInt32: ArrayType] = [:]
    ) -> WorkReport {
        let results = results(replies, arrays)
        guard replies.count == lastIndex + 1 else {
            return refused(BranchFailure(unknownKind), results, facts)
        }
        let excess = excess(replies)
        for (index, reply) in replies.enumerated() {
            switch reply {
            case .failed(let message):
                // What stops a statement with too many rows may come late, and hit the next one.
                let first = excess ?? missedExpectation(replies.prefix(index))
                return refused(first ?? failure(message, at: index), results, facts)
            case .exceeded:
                return refused(excess ?? BranchFailure(.resultTooLarge), results, facts)
            case .completed, .skipped: break
            }
        }
        guard case .completed(let proof) = replies[proofIndex],
            case .completed(let last) = replies[lastIndex],
            commitMode != .twoPhase || last.tag == "PREPARE TRANSACTION"
        else {
            // In a failed transaction PREPARE succeeds, with the tag ROLLBACK.
            return refused(BranchFailure(unknownKind), results, facts)
        }
        return report(replies, results, proof, last, facts)
    }

    private func report(
        _ replies: [CommandReply], _ results: [StatementResult], _ proof: CommandResult,
        _ last: CommandResult, _ facts: SessionFacts
    ) -> WorkReport {
        let failure = voteFailure(replies, last)
        if commitMode == .readOnly {
            let isStillReadOnly =
                proof.text(row: 0, column: 0) == "on" && proof.text(row: 0, column: 1) == "t"
            if let failure { return refused(failure, results, facts) }
            guard isStillReadOnly else {
                return refused(BranchFailure(.wroteWhileReadOnly), results, facts)
            }
            return WorkReport(
                reply: .held, results: results, failure: nil, session: facts.identity)
        }
        guard proof.rowCount == 1,
            let transactionID = proof.text(row: 0, column: 1).flatMap(UInt64.init),
            let location = proof.text(row: 0, column: 2)
        else {
            return WorkReport(
                reply: .lost, results: results, failure: BranchFailure(unknownKind),
                session: facts.identity)
        }
        let evidence = PreparedEvidence(
            transactionID: transactionID, owner: facts.user,
            systemIdentifier: facts.systemIdentifier, timeline: facts.timeline,
            location: location)
        if commitMode != .twoPhase, let failure { return refused(failure, results, facts) }
        if let failure {
            return WorkReport(
                reply: .preparedAgainstVote(evidence), results: results, failure: failure,
                session: facts.identity)
        }
        return WorkReport(
            reply: commitMode == .twoPhase ? .prepared(evidence) : .ready(evidence),
            results: results,
            failure: nil, session: facts.identity)
    }

    /// What went wrong where nothing says what.
    private var unknownKind: BranchFailure.Kind { commitMode == .twoPhase ? .prepare : .commit }

    private func refused(
        _ failure: BranchFailure, _ results: [StatementResult], _ facts: SessionFacts
    ) -> WorkReport {
        WorkReport(reply: .refused, results: results, failure: failure, session: facts.identity)
    }

    /// Prepared, and yet not a yes: an expectation was missed, or the wait for a synchronous
    /// standby was cancelled, which PostgreSQL reports as a success with a warning.
    private func voteFailure(
        _ replies: [CommandReply], _ prepare: CommandResult
    ) -> BranchFailure? {
        if commitMode == .twoPhase, prepare.isUnconfirmed { return BranchFailure(.notDurable) }
        return excess(replies) ?? missedExpectation(replies[...])
    }

    /// The first statement that changed or returned another number of rows than it was to.
    private func missedExpectation(_ replies: ArraySlice<CommandReply>) -> BranchFailure? {
        for (index, (statement, reply)) in zip(statements, replies.dropFirst()).enumerated() {
            guard case .completed(let result) = reply else { continue }
            let actual = result.affectedRows ?? result.rowCount
            if let expected = statement.expectedRows, expected != actual {
                return BranchFailure(
                    .rowsUnexpected(expected: expected, actual: actual), statement: index)
            }
        }
        return nil
    }

    /// The first statement that returned more than is allowed, whether or not it was stopped.
    private func excess(_ replies: [CommandReply]) -> BranchFailure? {
        for index in statements.indices {
            switch replies[index + 1] {
            case .exceeded: return BranchFailure(.resultTooLarge, statement: index)
            case .completed(let result) where result.isTruncated:
                return BranchFailure(.resultTooLarge, statement: index)
            case .completed, .failed, .skipped: break
            }
        }
        return nil
    }

    private func results(
        _ replies: [CommandReply], _ arrays: [UInt32: ArrayType]
    ) -> [StatementResult] {
        var results: [StatementResult] = []
        for reply in replies.dropFirst().prefix(statements.count) {
            guard case .completed(let result) = reply else { break }
            results.append(StatementResult(result, arrays))
        }
        return results
    }

    /// The types in the caller's results that only the database itself knows.
    func userDefinedTypes(_ replies: [CommandReply]) -> Set<UInt32> {
        guard returnsRows else { return [] }
        var types: Set<UInt32> = []
        for case .completed(let result) in replies.dropFirst().prefix(statements.count) {
            for column in 0..<result.columnCount {
                let type = result.typeOID(column: column)
                if ArrayType.isUserDefined(type) { types.insert(type) }
            }
        }
        return types
    }

    private func failure(_ message: ServerMessage, at index: Int) -> BranchFailure {
        let report = BranchFailure.ServerReport(message)
        if index >= 1, index <= statements.count {
            return BranchFailure(.statement, statement: index - 1, report: report)
        }
        // `SET CONSTRAINTS`, which runs what is deferred and says nothing by itself.
        if index == statements.count + 1 {
            return BranchFailure(.constraintAtPrepare, report: report)
        }
        guard commitMode == .twoPhase, index == lastIndex else {
            return BranchFailure(unknownKind, report: report)
        }
        return BranchFailure(.init(ofPrepare: message), report: report)
    }
}

extension StatementResult {
    init(_ result: CommandResult, _ arrays: [UInt32: ArrayType] = [:]) {
        let rows = (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.text(row: row, column: $0) }
        }
        let columns = result.columns.map { column in
            let array = ArrayType(builtIn: column.typeOID) ?? arrays[column.typeOID]
            return Column(
                name: column.name, typeOID: column.typeOID, elements: array.map(ArrayElements.init))
        }
        self.init(
            command: result.tag, affectedRows: result.affectedRows, columns: columns, rows: rows)
    }
}

extension ArrayElements {
    init(_ array: ArrayType) {
        self.init(typeOID: array.element, delimiter: array.delimiter)
    }
}

extension BranchFailure.ServerReport {
    init(_ message: ServerMessage) {
        self.init(
            sqlState: message.state.rawValue, message: message.message, detail: message.detail,
            hint: message.hint, constraint: message.constraint)
        position = message.position
        schema = message.schema
        table = message.table
        column = message.column
        context = message.context
    }
}
