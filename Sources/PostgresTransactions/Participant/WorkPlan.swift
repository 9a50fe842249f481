import CommitProtocol
import PostgresClient
import TransactionEngine

/// The commands of one branch, and how their replies become its vote.
struct WorkPlan {
    private(set) var commands: [Command]
    let returnsRows: Bool
    /// Lists among the caller's parameters, by the index of their command: the text of a list depends
    /// on the type that the server gives the parameter.
    private(set) var lists: [Int: [Int: any ListParameter]] = [:]
    /// The caller's commands: the limits are for their rows, not for the proof.
    let limited: Range<Int>
    private let statements: [Statement]
    private let commitMode: CommitMode
    private let proofIndex: Int
    /// The index of the last reply: PREPARE's, if the branch is prepared.
    private let lastIndex: Int

    /// Everything from BEGIN to the vote around statements that are known beforehand.
    init(_ inspected: [InspectedStatement], _ request: WorkRequest, hasWitness: Bool = false) {
        statements = inspected.map(\.statement)
        commitMode = request.commitMode
        returnsRows = inspected.contains(where: \.returnsRows)
        var work = [Self.begin(request.isolation, request.commitMode)]
        for statement in statements {
            if !statement.lists.isEmpty { lists[work.count] = statement.lists }
            work.append(Command(statement.sql, statement.parameters))
        }
        limited = 1..<work.count
        proofIndex = work.count + Self.proofOffset(request.commitMode)
        work += Self.closing(request, hasWitness: hasWitness)
        lastIndex = work.count - 1
        commands = work
    }

    /// What follows the caller's own code; BEGIN is a part of it if the code ran no statement.
    init(closing request: WorkRequest, hasBegun: Bool, hasWitness: Bool = false) {
        statements = []
        commitMode = request.commitMode
        returnsRows = false
        limited = 0..<0
        proofIndex = 1 + Self.proofOffset(request.commitMode)
        let closing = Self.closing(request, hasWitness: hasWitness)
        lastIndex = closing.count
        // The caller puts BEGIN's earlier reply first, so the replies are the same either way.
        commands =
            hasBegun ? closing : [Self.begin(request.isolation, request.commitMode)] + closing
    }

    /// The same work, in which no command uses a statement that was prepared before.
    var preparedAnew: WorkPlan {
        var plan = self
        plan.commands = commands.map(\.preparedAnew)
        return plan
    }

    /// Whether nothing of the branch is left in the session once it is prepared, or once the
    /// transaction that it holds has ended.
    ///
    /// The proof resets a role. It does not reset a session authorization, which few roles may change:
    /// `reset` does that.
    func leavesSessionClean(_ replies: [CommandReply], facts: SessionFacts) -> Bool {
        guard replies.count == lastIndex + 1, Self.haveCompleted(replies),
            let proof = proof(in: replies), proof.user == facts.user
        else { return false }
        return commitMode == .twoPhase
            ? replies[lastIndex].result?.tag == Self.prepareTag : !proof.leavesObjects
    }

    /// Whether every one of the commands ran.
    static func haveCompleted(_ replies: some Sequence<CommandReply>) -> Bool {
        replies.allSatisfy { if case .completed = $0 { true } else { false } }
    }

    /// Reads the replies of a whole branch: BEGIN, statements, and what closes it.
    ///
    /// - Parameter arrays: the array types in the results that are not built in.
    func report(
        _ replies: [CommandReply], facts: SessionFacts, arrays: [UInt32: ArrayType] = [:]
    ) -> WorkReport {
        let (reply, failure) = vote(replies, facts: facts)
        return WorkReport(
            reply: reply, results: results(replies, arrays), failure: failure,
            session: facts.identity)
    }

    private func vote(
        _ replies: [CommandReply], facts: SessionFacts
    ) -> (WorkReply, BranchFailure?) {
        let unexplained = BranchFailure(unknownKind)
        guard replies.count == lastIndex + 1 else { return (.refused, unexplained) }
        let excess = excess(replies)
        for (index, reply) in replies.enumerated() {
            switch reply {
            case .failed(let message):
                // The cancel of a statement with too many rows may arrive late, and hit the next one.
                let first = excess ?? missedExpectation(replies.prefix(index))
                return (.refused, first ?? failure(message, at: index))
            case .exceeded:
                return (.refused, excess ?? BranchFailure(.resultTooLarge))
            case .completed, .skipped: break
            }
        }
        guard replies[proofIndex].result != nil, let last = replies[lastIndex].result,
            commitMode != .twoPhase || last.tag == Self.prepareTag
        else {
            // In a failed transaction PREPARE succeeds, with the tag ROLLBACK.
            return (.refused, unexplained)
        }
        let failure = voteFailure(replies, prepare: last)
        let proof = proof(in: replies)
        switch proof?.finding {
        case .readOnly(let isStillReadOnly):
            if let failure { return (.refused, failure) }
            return isStillReadOnly ? (.held, nil) : (.refused, BranchFailure(.wroteWhileReadOnly))
        case nil:
            return (.lost, unexplained)
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

    private func proof(in replies: [CommandReply]) -> BranchProof? {
        replies[proofIndex].result.flatMap { BranchProof.query(commitMode).row(of: $0) }
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
            guard case .completed(let result) = reply else { continue }
            let actual = result.affectedRows ?? result.rowCount
            if let expected = statement.expectedRows, expected != actual {
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
        // `SET CONSTRAINTS`, which runs deferred constraints and triggers, and cannot fail by itself.
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
