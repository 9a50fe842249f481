import CommitProtocol
import PostgresClient
import TransactionEngine

extension FlushStatement {
    /// The kinds of statements, in the order in which a flush sends them.
    enum Kind: Int, CaseIterable {
        case accept
        case tombstone
        case decide
        case delegate
        case copy
        /// The end of a transaction whose row holds its decision.
        case finish
        /// The end of one that a commit point decides: the row may hold no copy of the decision
        /// yet.
        case finishWithDecision
        case report
        case noteOutcomes
        /// An abort with a successor. Last, so that a flush waits for no key of another replica's
        /// flush while it has freed one.
        case decideAndRetry
        /// The copy of a commit point's abort, with a successor.
        case copyAndRetry

        init(of write: LogWrite) {
            switch write.request {
            case .accept: self = .accept
            case .decide(.abort) where write.successor != nil: self = .decideAndRetry
            case .copy(.abort) where write.successor != nil: self = .copyAndRetry
            case .decide: self = .decide
            case .tombstone: self = .tombstone
            case .delegate: self = .delegate
            case .copy: self = .copy
            case .finish:
                let hasCommitPoint = write.record.branches.contains { $0.commitMode.isCommitPoint }
                self = hasCommitPoint ? .finishWithDecision : .finish
            case .report: self = .report
            case .noteOutcomes: self = .noteOutcomes
            }
        }

        var statement: FlushStatement {
            switch self {
            case .accept: FlushStatement.accept
            case .tombstone: FlushStatement.tombstone
            case .decide: FlushStatement.decide
            case .delegate: FlushStatement.delegate
            case .copy: FlushStatement.copy
            case .finish: FlushStatement.finish
            case .finishWithDecision: FlushStatement.finishWithDecision
            case .report: FlushStatement.report
            case .noteOutcomes: FlushStatement.noteOutcomes
            case .decideAndRetry: FlushStatement.decideAndRetry
            case .copyAndRetry: FlushStatement.copyAndRetry
            }
        }

        /// The command, without its arrays.
        var command: Command { Self.commands[rawValue] }

        private static let commands = allCases.map { Command.fixed($0.statement.sql) }

        /// The answer to a write by what its statement returned.
        func answer(to write: LogWrite, from rows: inout ReturnedRows) -> LogAnswer {
            guard let row = rows.row(of: write.record.id.number) else { return answerWithoutRow }
            let answer: LogAnswer? =
                switch self {
                case .accept: .accepted
                case .decide: FlushStatement.decision(by: write, in: rows, row)
                case .tombstone, .delegate, .copy: FlushStatement.held.row(row, of: rows.result)
                case .decideAndRetry, .copyAndRetry:
                    FlushStatement.retried.row(row, of: rows.result)
                case .finish, .finishWithDecision, .report, .noteOutcomes: .recorded
                }
            return answer ?? answerWithoutRow
        }

        /// The answer to a write that the statement returned no row for.
        private var answerWithoutRow: LogAnswer {
            switch self {
            case .accept: .keyTaken
            // A tombstone that lost on the key, not on the id: no row will ever have this id.
            case .tombstone, .decide, .delegate, .copy, .decideAndRetry, .copyAndRetry: .missing
            case .finish, .finishWithDecision, .report, .noteOutcomes: .recorded
            }
        }
    }

    /// What the row holds: a decision, or that a commit point decides.
    private static let held = RowFormat { row -> LogAnswer? in
        row.number()
        return held(&row)
    }

    /// The same after an abort with a successor, which the row may name.
    private static let retried = RowFormat { row -> LogAnswer? in
        row.number()
        let held = held(&row)
        let isRetried = row.isTrue("x.id IS NOT NULL")
        return isRetried ? .retried : held
    }

    /// The same after a decision, unless the row holds just what was written: that needs no reading
    /// back.
    private static let decided = RowFormat { row -> LogAnswer? in
        row.number()
        let isAsWritten = row.isTrue(asWritten)
        let held = held(&row, of: { "CASE WHEN \(asWritten) THEN NULL ELSE \($0) END" })
        return isAsWritten ? nil : held
    }

    private static let asWritten =
        "(t.decision = x.decision AND t.evidence IS NOT DISTINCT FROM x.evidence::text[])"

    private static func decision(
        by write: LogWrite, in rows: ReturnedRows, _ row: Int
    ) -> LogAnswer? {
        guard let decision = write.request.decision, rows.result.isTrue(row: row, column: 1) else {
            return decided.row(row, of: rows.result)
        }
        // PostgreSQL took one of several writes to one row, and does not say which.
        guard !rows.shared.contains(write.record.id.number) else {
            return .unknown(reason: "two decisions of one transaction were written in one flush")
        }
        return .decided(decision, evidence: write.record.branches.map(\.evidence))
    }

    /// An element for each branch, also where the row has no evidence of any.
    private static let evidenceOfAll =
        "coalesce(t.evidence, array_fill(NULL::text, ARRAY[cardinality(t.gids)]))"

    private static func held(
        _ row: inout RowReader, of value: (_ column: String) -> String = { $0 }
    ) -> LogAnswer? {
        let decision = row.name(value("t.decision"), as: Decision.self)
        let evidence = (row.list(value(evidenceOfAll)) ?? []).map {
            $0.flatMap(RowCoding.evidence(of:))
        }
        let isElsewhere = row.isTrue("t.delegated OR t.journal_server IS NOT NULL")
        if let decision { return .decided(decision, evidence: evidence) }
        return isElsewhere ? .delegated(evidence: evidence) : nil
    }
}

extension RowReader {
    /// The number of the transaction, by which the row was found.
    fileprivate mutating func number() { _ = text("t.number") }
}

/// The rows that a statement of a flush returned, each of which starts with the number of its
/// transaction.
struct ReturnedRows {
    let result: CommandResult
    /// The transactions that several writes of the statement are of.
    let shared: Set<Int64>
    private let count: Int
    /// Where the next row is looked for first.
    private var next = 0

    init(_ result: CommandResult, shared: Set<Int64>) {
        self.result = result
        self.shared = shared
        count = result.rowCount
    }

    /// The row of this transaction.
    ///
    /// Rows come in the order of the writes, so that it is nearly always the next one; but nothing
    /// promises that order.
    mutating func row(of number: Int64) -> Int? {
        for step in 0..<count {
            let row = (next + step) % count
            guard result.integer(row: row, column: 0) == number else { continue }
            next = row + 1
            return row
        }
        return nil
    }
}

extension CommandResult {
    fileprivate func isTrue(row: Int, column: Int) -> Bool {
        unsafe withBytes(row: row, column: column) { unsafe $0.elementsEqual("t".utf8) } ?? false
    }

    /// A value in decimal digits; nil for NULL, and for anything else.
    fileprivate func integer(row: Int, column: Int) -> Int64? {
        unsafe withBytes(row: row, column: column) { bytes -> Int64? in
            var value: Int64 = 0
            for byte in unsafe bytes {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
                let (sum, overflow) = product.addingReportingOverflow(
                    Int64(byte - UInt8(ascii: "0")))
                guard !isTooLarge, !overflow else { return nil }
                value = sum
            }
            return value
        } ?? nil
    }
}

extension FlushStatement {
    /// A request whose key another transaction holds gets no row back, and fails no other of the
    /// flush.
    private static let accept = insert(
        origin + [.computed("state", "'preparing'")] + [.expiresAt],
        "ON CONFLICT DO NOTHING RETURNING t.number")

    /// Inserts aborted rows.
    ///
    /// A row that is there is aborted if it is undecided. If it is decided, its decision is obeyed;
    /// where a commit point decides, that has to be asked.
    private static let tombstone = insert(
        originWithFreeKey + [.computed("state", "'aborting'"), .decision, .decidedAt, .problem]
            + [.expiresAt],
        onConflict(
            set: [.decision, .decidedAt, decidedState, .problem], unless: isNotOpen,
            returning: held.columns))

    /// Compare-and-set and claim in one: an undecided row takes the decision, a decided one keeps
    /// its own, and both are written, so that the decision returned is as durable as this commit.
    private static let decide = update(
        kept: [.decision, .decidedAt, decidedState, .problem] + proof, if: isNotOpen,
        returning: decided.columns)

    /// Records that the one-phase branch decides, unless the row is decided.
    private static let delegate = update(
        kept: [.computed("delegated", "true")] + proof, if: isDecided, returning: held.columns)

    /// Records what commit points decided, inserting rows that are not there.
    private static let copy = insert(
        originWithFreeKey + copied + [decidedState, .problem],
        onConflict(
            set: copied + [decidedState, .problem], unless: isDecided, returning: held.columns))

    /// Decides on an abort as `decide` does, and accepts the successor.
    ///
    /// Where the abort does not take effect, nothing is accepted. Where it does, the successor has
    /// the key.
    private static let decideAndRetry = update(
        kept: [.decision, .decidedAt, decidedState, .problem, noKey, .retriedAs] + proof,
        if: isNotOpen, returning: "t.*"
    ).accepting(successors: successor, returning: retried.columns)

    /// The same for the copy of a commit point's abort.
    ///
    /// If there is no row, the request may have lost on its key. Then it has no successor.
    private static let copyAndRetry = insert(
        origin.filter { $0.name != WrittenColumn.keyDigest.name }
            + [.keyDigest.computed("NULL::bytea"), retriedAsUnlessKeyIsHeld]
            + copied + [decidedState, .problem],
        onConflict(
            set: copied + [decidedState, .problem, noKey, .retriedAs], unless: isDecided,
            returning: "t.*")
    ).accepting(successors: successor, returning: retried.columns)

    /// Records the end; a row that is finished already stays as it is.
    private static let finish = update(
        ends + [.finishedAt], where: "t.finished_at IS NULL AND \(isDecided)")

    /// The same, with the decision of the commit point where no copy of it was made.
    private static let finishWithDecision = update(
        ends + [.finishedAt], kept: copied, if: isDecided, where: isOpenForDecision)

    /// Records outcomes before the end.
    private static let noteOutcomes = update(
        ends, kept: copied, if: isDecided, where: isOpenForDecision)

    /// Records that the decision cannot be known.
    private static let report = update(ends, where: "t.decision IS NULL")

    /// The end of a transaction that another replica owns, as far as this one has seen it.
    static func finishSeen(_ record: TransactionRecord) -> Command {
        finish.command(LogWrite(.finish, of: record))
    }

    private static let isDecided = "t.decision IS NOT NULL"

    /// Whether the row holds a decision, or is not where one can be made.
    private static let isNotOpen =
        "(t.decision IS NOT NULL OR t.delegated OR t.journal_server IS NOT NULL)"

    private static let isOpenForDecision =
        "t.finished_at IS NULL AND coalesce(t.decision, x.decision) = x.decision"

    /// What is known when a transaction is accepted.
    private static let origin: [WrittenColumn] = [
        .number, .salt, .principal, .keyDigest, .requestDigest, .isolation, .labelNames,
        .labelValues, .traceParent, .owner, .epoch, .acceptedAt, .deadline, .participants, .gids,
        .participantVersions, .commitModes, .journalServer,
    ]

    /// The same, without the key where another transaction holds it: the row of a decision is
    /// inserted nevertheless.
    private static let originWithFreeKey = origin.map { column in
        guard column.name == WrittenColumn.keyDigest.name else { return column }
        return column.computed("CASE WHEN \(isKeyHeld) THEN NULL ELSE x.key_digest END")
    }

    /// Whether another transaction holds the key.
    private static let isKeyHeld = """
        EXISTS (SELECT FROM tandem.transactions AS h
            WHERE h.principal = x.principal AND h.key_digest = x.key_digest
                AND h.number <> x.number)
        """

    private static let noKey = WrittenColumn.computed(WrittenColumn.keyDigest.name, "NULL")

    private static let retriedAsUnlessKeyIsHeld = WrittenColumn.retriedAs.computed(
        "CASE WHEN \(isKeyHeld) THEN NULL ELSE x.retried_as END")

    /// What is known when a successor is accepted, `t` being the row of the run before it.
    ///
    /// It expires when that one would have, by the database's clock as well, or earlier.
    private static let successor =
        (origin + [.attempt, .retryOf, .computed("state", "'preparing'")]
        + [.expiresAt.computed("least(t.expires_at, \(WrittenColumn.expiresAt.value))")])
        .map(\.ofSuccessor)

    private static let decidedState = WrittenColumn.computed(
        "state", "CASE x.decision WHEN 'commit' THEN 'committing' ELSE 'aborting' END")

    /// What is recorded together with a decision, to prove it and to answer from.
    private static let proof: [WrittenColumn] = [.votes, .evidence, .results, .resultsOmitted]

    /// A commit point's decision.
    private static let copied: [WrittenColumn] =
        [.decision, .decidedAt, .computed("decision_from", "'commitPoint'")] + proof

    private static let ends: [WrittenColumn] = [.state, .outcomes, .retries, .errors]
}
