import CommitProtocol
import PostgresClient
import TransactionEngine

/// The commands of one branch, and how their replies are read.
struct WorkPlan {
    let segments: [[Command]]
    let returnsRows: Bool
    /// Which commands are the caller's: the limits are for their rows, not for the evidence.
    let limited: Range<Int>
    private let statements: [Statement]
    /// Whether a witness is recorded between the evidence and PREPARE.
    private let hasWitness: Bool

    /// What a session may carry over from the branch before.
    ///
    /// Listening, temporary tables and held cursors cannot: a transaction that has them cannot be
    /// prepared.
    static let reset = [
        Command("SET SESSION AUTHORIZATION DEFAULT"), Command("RESET ALL"),
        Command("SELECT pg_catalog.pg_advisory_unlock_all()"), Command("DISCARD SEQUENCES"),
    ]

    /// RESET ROLE in the form of a function, with the evidence beside it.
    ///
    /// Were the role not reset, our own would get 42501 at COMMIT PREPARED, for ever.
    static let evidence = Command(
        """
        SELECT pg_catalog.set_config('role', 'none', true), pg_catalog.pg_current_xact_id(),
            pg_catalog.pg_current_wal_insert_lsn()
        """)

    static func begin(_ isolation: Isolation) -> Command {
        let level =
            switch isolation {
            case .readCommitted: "READ COMMITTED"
            case .repeatableRead: "REPEATABLE READ"
            case .serializable: "SERIALIZABLE"
            }
        return Command("BEGIN ISOLATION LEVEL \(level) READ WRITE")
    }

    static func prepare(_ gid: String) -> Command {
        Command("PREPARE TRANSACTION \(gid.quotedLiteral)", cached: false)
    }

    /// Everything from BEGIN to PREPARE around statements that are known beforehand.
    init(_ statements: [Statement], _ order: WorkOrder, hasWitness: Bool = false) {
        self.statements = statements
        self.hasWitness = hasWitness
        // What the gate refuses has been refused before; it may not come here.
        returnsRows = statements.contains {
            (try? StatementGate.inspect($0.sql))?.returnsRows ?? true
        }
        var work = [Self.begin(order.isolation)]
        for statement in statements {
            work.append(Command(statement.sql, statement.parameters))
        }
        work.append(Self.evidence)
        if hasWitness { work.append(Witness.record(order.gid)) }
        work.append(Self.prepare(order.gid))
        segments = [Self.reset, work]
        let first = Self.reset.count + 1
        limited = first..<(first + statements.count)
    }

    /// What follows the caller's own code, of which BEGIN (if it was not sent yet) is a part.
    init(closing order: WorkOrder, hasBegun: Bool, hasWitness: Bool = false) {
        statements = []
        self.hasWitness = hasWitness
        returnsRows = false
        limited = 0..<0
        let witness = hasWitness ? [Witness.record(order.gid)] : []
        let ending = [Self.evidence] + witness + [Self.prepare(order.gid)]
        // The same three replies either way, so that there is one reading of them.
        segments = hasBegun ? [ending] : [Self.reset, [Self.begin(order.isolation)] + ending]
    }

    /// Whether a cached statement was gone or had changed its result: worth one more try.
    static func canRetry(_ replies: [CommandReply]) -> Bool {
        for case .failed(let message) in replies {
            return message.state == .invalidSQLStatementName
                || (message.state == .featureNotSupported
                    && message.routine == "RevalidateCachedQuery")
        }
        return false
    }

    /// Where PREPARE's reply is.
    private var prepareIndex: Int { statements.count + (hasWitness ? 3 : 2) }

    /// Reads the replies of a work that is whole: BEGIN, statements, evidence, witness, PREPARE.
    func report(_ replies: [CommandReply], facts: SessionFacts) -> WorkReport {
        let results = results(replies)
        guard replies.count == prepareIndex + 1 else {
            return refused(BranchFailure(.prepare), results, facts)
        }
        let excess = excess(replies)
        for (index, reply) in replies.enumerated() {
            switch reply {
            case .failed(let message):
                // What stops a statement with too many rows may come late, and hit the next one.
                return refused(excess ?? failure(message, at: index), results, facts)
            case .exceeded:
                return refused(excess ?? BranchFailure(.resultTooLarge), results, facts)
            case .completed, .skipped: break
            }
        }
        guard case .completed(let prepare) = replies[prepareIndex],
            case .completed(let proof) = replies[statements.count + 1],
            prepare.tag == "PREPARE TRANSACTION"
        else {
            // In a failed transaction PREPARE succeeds, with the tag ROLLBACK.
            return refused(BranchFailure(.prepare), results, facts)
        }
        guard proof.rowCount == 1,
            let transactionID = proof.text(row: 0, column: 1).flatMap(UInt64.init),
            let location = proof.text(row: 0, column: 2)
        else {
            return WorkReport(
                reply: .lost, results: results, failure: BranchFailure(.prepare),
                session: facts.identity)
        }
        let evidence = PreparedEvidence(
            transactionID: transactionID, owner: facts.user,
            systemIdentifier: facts.systemIdentifier, timeline: facts.timeline,
            location: location)
        if let failure = disappointment(replies, prepare) {
            return WorkReport(
                reply: .preparedAgainstVote(evidence), results: results, failure: failure,
                session: facts.identity)
        }
        return WorkReport(
            reply: .prepared(evidence), results: results, failure: nil, session: facts.identity)
    }

    private func refused(
        _ failure: BranchFailure, _ results: [StatementResult], _ facts: SessionFacts
    ) -> WorkReport {
        WorkReport(reply: .refused, results: results, failure: failure, session: facts.identity)
    }

    /// Prepared, and yet not a yes: an expectation was missed, or the wait for a synchronous
    /// standby was cancelled, which PostgreSQL reports as a success with a warning.
    private func disappointment(
        _ replies: [CommandReply], _ prepare: CommandResult
    ) -> BranchFailure? {
        if prepare.notices.contains(where: {
            $0.severity == "WARNING" && $0.state.rawValue == "01000"
        }) {
            return BranchFailure(.notDurable)
        }
        if let excess = excess(replies) { return excess }
        for (index, statement) in statements.enumerated() {
            guard case .completed(let result) = replies[index + 1] else { continue }
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

    private func results(_ replies: [CommandReply]) -> [StatementResult] {
        var results: [StatementResult] = []
        for reply in replies.dropFirst().prefix(statements.count) {
            guard case .completed(let result) = reply else { break }
            results.append(StatementResult(result))
        }
        return results
    }

    private func failure(_ message: ServerMessage, at index: Int) -> BranchFailure {
        let report = BranchFailure.ServerReport(message)
        if (1...statements.count).contains(index) {
            return BranchFailure(.statement, statement: index - 1, report: report)
        }
        guard index == prepareIndex else { return BranchFailure(.prepare, report: report) }
        let kind: BranchFailure.Kind =
            switch message.state.rawValue {
            case "0A000": .cannotBePrepared
            case "53200": .slotsExhausted
            case "55000": .preparedTransactionsDisabled
            case let state where state.hasPrefix("23"): .constraintAtPrepare
            default: .prepare
            }
        return BranchFailure(kind, report: report)
    }
}

extension StatementResult {
    init(_ result: CommandResult) {
        let rows = (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.text(row: row, column: $0) }
        }
        self.init(
            command: result.tag, affectedRows: result.affectedRows,
            columns: result.columns.map { Column(name: $0.name, typeOID: $0.typeOID) }, rows: rows)
    }
}

extension BranchFailure.ServerReport {
    init(_ message: ServerMessage) {
        self.init(
            sqlState: message.state.rawValue, message: message.message, detail: message.detail,
            hint: message.hint, constraint: message.constraint)
    }
}
