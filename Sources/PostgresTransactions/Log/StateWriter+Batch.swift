import CommitProtocol
import PostgresClient
import TransactionEngine

extension StateWriter {
    /// A write, and the caller that waits for its answer.
    struct PendingWrite {
        let write: LogWrite
        let reply: CheckedContinuation<LogAnswer, Never>

        var isLazy: Bool { write.isLazy }
    }

    /// The writes of one flush, grouped by the statement that writes them.
    struct Batch {
        private struct Group {
            let statement: Statement
            let writes: [PendingWrite]
        }

        let writes: [PendingWrite]
        private let groups: [Group]

        init(_ writes: [PendingWrite]) {
            self.writes = writes
            groups = Statement.allCases.compactMap { statement in
                let own = writes.filter { Statement(for: $0.write) == statement }
                return own.isEmpty ? nil : Group(statement: statement, writes: own)
            }
        }

        var commands: [Command] { groups.map { $0.statement.command($0.writes.map(\.write)) } }

        /// Answers every write by the results of the commands.
        func answer(_ results: ArraySlice<CommandResult>) {
            for (group, result) in zip(groups, results) {
                let answers = group.statement.answers(result)
                for pending in group.writes {
                    pending.reply.resume(
                        returning: answers[pending.write.record.id.number]
                            ?? group.statement.answerWithoutRow)
                }
            }
        }
    }

    /// The kinds of statements in a flush, in the order in which it sends them.
    enum Statement: CaseIterable {
        case accept
        case tombstone
        case decide
        case delegate
        case copy
        /// The end of a transaction whose decision is in its row.
        case finish
        /// The end of one that a commit point decides: the row may have no copy of the decision yet.
        case finishWithDecision
        case report
        case noteOutcomes

        init(for write: LogWrite) {
            switch write.request {
            case .accept: self = .accept
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

        func command(_ writes: [LogWrite]) -> Command {
            let records = writes.map(\.record)
            switch self {
            case .accept:
                // Keys in one order everywhere, so that two replicas' flushes cannot deadlock.
                return WriterStatements.accept(records.sorted { Self.key($0) < Self.key($1) })
            case .tombstone: return WriterStatements.tombstone(records)
            case .decide: return WriterStatements.decide(writes)
            case .delegate: return WriterStatements.delegate(records)
            case .copy: return WriterStatements.copy(writes)
            case .finish: return WriterStatements.finish(records)
            case .finishWithDecision: return WriterStatements.settle(records)
            case .report: return WriterStatements.report(records)
            case .noteOutcomes: return WriterStatements.settle(records, isEnd: false)
            }
        }

        private static func key(_ record: TransactionRecord) -> String {
            record.idempotency.map { RowCoding.hex($0.keyDigest) } ?? ""
        }

        /// The answer to a write that the statement returned no row for.
        var answerWithoutRow: LogAnswer {
            switch self {
            case .accept: .keyTaken
            // A tombstone's insert that lost on the key, not on the id: no row will ever have this id.
            case .tombstone, .decide, .delegate, .copy: .missing
            case .finish, .finishWithDecision, .report, .noteOutcomes: .recorded
            }
        }

        /// The answers in the rows that the statement returned, by transaction number.
        func answers(_ result: CommandResult) -> [Int64: LogAnswer] {
            var answers: [Int64: LogAnswer] = [:]
            for row in 0..<result.rowCount {
                guard let number = result.text(row: row, column: 0).flatMap(Int64.init) else {
                    continue
                }
                answers[number] = self == .accept ? .accepted : Self.decision(result, row)
            }
            return answers
        }

        private static func decision(_ result: CommandResult, _ row: Int) -> LogAnswer? {
            let texts = result.text(row: row, column: 2).flatMap(ArrayLiteral.read) ?? []
            let evidence = texts.map { $0.flatMap(RowCoding.evidence(of:)) }
            if let decision = result.text(row: row, column: 1).flatMap(Decision.init(rawValue:)) {
                return .decided(decision, evidence: evidence)
            }
            return result.text(row: row, column: 3) == "t" ? .delegated(evidence: evidence) : nil
        }
    }
}
