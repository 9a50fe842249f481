import CommitProtocol
import PostgresClient
import TransactionEngine

/// The commands of one branch, and how their replies become its vote.
struct WorkPlan {
    let script: BranchScript
    private(set) var commands: [Command]
    /// Lists among the caller's parameters, by the index of their command: the text of a list depends
    /// on the type that the server gives the parameter.
    private(set) var lists: [Int: [Int: any ListParameter]] = [:]
    private let statements: [InspectedStatement]

    private var commitMode: CommitMode { script.commitMode }

    /// Makes the plan of a branch with this name.
    init(_ script: BranchScript, _ statements: [InspectedStatement] = [], gid: String) {
        self.script = script
        self.statements = statements
        commands = script.commands(statements, gid: gid)
        for (index, statement) in statements.enumerated() where !statement.statement.lists.isEmpty {
            lists[script.limited.lowerBound + index] = statement.statement.lists
        }
    }

    /// The same work, in which no command uses a statement that was prepared before.
    var preparedAnew: WorkPlan {
        var plan = self
        plan.commands = commands.map(\.preparedAnew)
        return plan
    }

    /// Whether every one of the commands ran.
    static func haveCompleted(_ replies: some Sequence<CommandReply>) -> Bool {
        replies.allSatisfy { if case .completed = $0 { true } else { false } }
    }

    /// Reads the replies of a whole branch: BEGIN, statements, and what closes it.
    ///
    /// It says as well whether nothing of the branch is left in the session once it is prepared, or once
    /// the transaction that it holds has ended.
    ///
    /// - Parameter arrays: the array types in the results that are not built in.
    func report(
        _ replies: [CommandReply], facts: SessionFacts, arrays: [UInt32: ArrayType] = [:]
    ) -> (report: WorkReport, leavesSessionClean: Bool) {
        let proof = proof(in: replies)
        let (reply, failure) = vote(replies, proof, facts: facts)
        let report = WorkReport(
            reply: reply, results: results(replies, arrays), failure: failure,
            session: facts.identity)
        return (report, leavesSessionClean(replies, proof, facts: facts))
    }

    /// Whether nothing of the branch will be left in the session; see `report`.
    ///
    /// The proof resets a role. It does not reset a session authorization, which few roles may change:
    /// `reset` does that.
    private func leavesSessionClean(
        _ replies: [CommandReply], _ proof: BranchProof?, facts: SessionFacts
    ) -> Bool {
        guard let proof, proof.user == facts.user, replies.count == script.lastIndex + 1,
            Self.haveCompleted(replies)
        else { return false }
        return commitMode == .twoPhase
            ? replies[script.lastIndex].result?.tag == Self.prepareTag : !proof.leavesObjects
    }

    private func proof(in replies: [CommandReply]) -> BranchProof? {
        guard replies.indices.contains(script.proofIndex),
            let result = replies[script.proofIndex].result
        else { return nil }
        return BranchProof.query(commitMode).row(of: result)
    }

    private func vote(
        _ replies: [CommandReply], _ proof: BranchProof?, facts: SessionFacts
    ) -> (WorkReply, BranchFailure?) {
        guard replies.count == script.lastIndex + 1 else {
            return (.refused, BranchFailure(unknownKind))
        }
        if let refusal = refusal(in: replies) { return (.refused, refusal) }
        guard replies[script.proofIndex].result != nil,
            let last = replies[script.lastIndex].result,
            commitMode != .twoPhase || last.tag == Self.prepareTag
        else {
            // In a failed transaction PREPARE succeeds, with the tag ROLLBACK.
            return (.refused, BranchFailure(unknownKind))
        }
        let failure = voteFailure(replies, prepare: last)
        switch proof?.finding {
        case .readOnly(let isStillReadOnly):
            if let failure { return (.refused, failure) }
            return isStillReadOnly ? (.held, nil) : (.refused, BranchFailure(.wroteWhileReadOnly))
        case nil:
            return (.lost, BranchFailure(unknownKind))
        case .written(let transactionID, let location):
            let evidence = PreparedEvidence(
                transactionID: transactionID, owner: facts.user,
                systemIdentifier: facts.systemIdentifier, timeline: facts.timeline,
                location: location)
            guard commitMode == .twoPhase else {
                return failure.map { (.refused, $0) } ?? (.ready(evidence), nil)
            }
            return failure.map { (.preparedAgainstVote(evidence), $0) } ?? (
                .prepared(evidence), nil
            )
        }
    }

    /// Why the first command that did not run made the branch vote no; nil if all ran.
    private func refusal(in replies: [CommandReply]) -> BranchFailure? {
        for (index, reply) in replies.enumerated() {
            switch reply {
            case .failed(let message):
                // The cancel of a statement with too many rows may arrive late, and hit the next one.
                return excess(replies) ?? missedExpectation(replies.prefix(index))
                    ?? failure(message, at: index)
            case .exceeded:
                return excess(replies) ?? BranchFailure(.resultTooLarge)
            case .completed, .skipped: break
            }
        }
        return nil
    }

    /// The kind of a failure that nothing explains.
    private var unknownKind: BranchFailure.Kind { commitMode == .twoPhase ? .prepare : .commit }

    /// Why a branch that is prepared, or could be committed, votes no all the same: a statement missed
    /// its expectation, or the wait for a synchronous standby was cancelled, which PostgreSQL reports
    /// as a success with a warning.
    private func voteFailure(
        _ replies: [CommandReply], prepare: CommandResult
    ) -> BranchFailure? {
        if commitMode == .twoPhase, prepare.isUnconfirmed { return BranchFailure(.notDurable) }
        return excess(replies) ?? missedExpectation(replies[...])
    }

    /// The first statement that changed or returned another number of rows than expected.
    private func missedExpectation(_ replies: ArraySlice<CommandReply>) -> BranchFailure? {
        for (index, (statement, reply)) in zip(statements, replies.dropFirst()).enumerated() {
            guard let expected = statement.statement.expectedRows,
                case .completed(let result) = reply
            else { continue }
            let actual = result.affectedRows ?? result.rowCount
            if !expected.contains(actual) {
                return BranchFailure(
                    .rowsUnexpected(expected: expected, actual: actual), statement: index)
            }
        }
        return nil
    }

    /// The first statement that returned more than is allowed, whether or not it was cancelled.
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
        results.reserveCapacity(statements.count)
        for reply in replies.dropFirst().prefix(statements.count) {
            guard case .completed(let result) = reply else { break }
            results.append(StatementResult(result, arrays))
        }
        return results
    }

    /// The types in the caller's results that only the database itself knows.
    func userDefinedTypes(_ replies: [CommandReply]) -> Set<UInt32> {
        guard script.returnsRows else { return [] }
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
        // `SET CONSTRAINTS`, which runs deferred constraints and triggers, and cannot fail by itself.
        if index == statements.count + 1 {
            return BranchFailure(.constraintAtPrepare, report: report)
        }
        guard commitMode == .twoPhase, index == script.lastIndex else {
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
