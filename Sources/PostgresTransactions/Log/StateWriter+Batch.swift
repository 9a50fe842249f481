import CommitProtocol
import PostgresClient
import TransactionEngine

/// What a flush writes, and who waits for it.
extension StateWriter {
    enum Order {
        case accept(TransactionRecord, CheckedContinuation<AcceptAnswer, Never>)
        case decide(Decision, TransactionRecord, CheckedContinuation<DecideAnswer, Never>)
        case tombstone(TransactionRecord, CheckedContinuation<DecideAnswer, Never>)
        case delegate(TransactionRecord, CheckedContinuation<DecideAnswer, Never>)
        case copy(Decision, TransactionRecord, CheckedContinuation<DecideAnswer, Never>)
        case end(End, TransactionRecord, CheckedContinuation<Void, Never>)

        var isEnd: Bool {
            if case .end = self { true } else { false }
        }
    }

    /// A record that is written lazily.
    enum End: CaseIterable {
        /// Every branch has ended.
        case finish
        /// The same, with the decision of a register.
        case settle
        /// Nobody can tell the decision.
        case report
        /// Some branches have ended, one of them otherwise than decided.
        case outcomes
    }

    /// What a flush sends, by kind; the order of the statements is the order of the fields.
    struct Batch {
        var accepts: [(TransactionRecord, CheckedContinuation<AcceptAnswer, Never>)] = []
        var decides: [(Decision, TransactionRecord, CheckedContinuation<DecideAnswer, Never>)] = []
        var tombstones: [(TransactionRecord, CheckedContinuation<DecideAnswer, Never>)] = []
        var delegates: [(TransactionRecord, CheckedContinuation<DecideAnswer, Never>)] = []
        var copies: [(Decision, TransactionRecord, CheckedContinuation<DecideAnswer, Never>)] = []
        var ends: [(End, TransactionRecord, CheckedContinuation<Void, Never>)] = []

        init(_ orders: [Order]) {
            for order in orders {
                switch order {
                case .accept(let record, let reply): accepts.append((record, reply))
                case .decide(let decision, let record, let reply):
                    decides.append((decision, record, reply))
                case .tombstone(let record, let reply): tombstones.append((record, reply))
                case .delegate(let record, let reply): delegates.append((record, reply))
                case .copy(let decision, let record, let reply):
                    copies.append((decision, record, reply))
                case .end(let end, let record, let reply): ends.append((end, record, reply))
                }
            }
        }
    }
}

extension StateWriter.Batch {
    /// What writes the orders; the answers come in the same order.
    var statements: [Command] {
        // Keys in one order everywhere, so that two replicas' batches cannot deadlock on them.
        let accepts = accepts.map(\.0).sorted { key($0) < key($1) }
        var commands: [Command] = []
        if !accepts.isEmpty {
            commands.append(WriterStatements.accept(accepts, tombstones: false))
        }
        if !tombstones.isEmpty {
            commands.append(WriterStatements.accept(tombstones.map(\.0), tombstones: true))
        }
        if !decides.isEmpty {
            commands.append(
                WriterStatements.decide(decides.map { ($0.0.rawValue, $0.1) }))
        }
        if !delegates.isEmpty {
            commands.append(WriterStatements.delegate(delegates.map(\.0)))
        }
        if !copies.isEmpty {
            commands.append(WriterStatements.copy(copies.map { ($0.0.rawValue, $0.1) }))
        }
        for end in StateWriter.End.allCases {
            let records = ends.filter { $0.0 == end }.map(\.1)
            if !records.isEmpty { commands.append(statement(end, records)) }
        }
        return commands
    }

    private func statement(_ end: StateWriter.End, _ records: [TransactionRecord]) -> Command {
        switch end {
        case .finish: WriterStatements.finish(records)
        case .settle: WriterStatements.settle(records)
        case .report: WriterStatements.report(records)
        case .outcomes: WriterStatements.settle(records, isEnd: false)
        }
    }

    private func key(_ record: TransactionRecord) -> String {
        record.idempotency.map { RowCoding.hex($0.keyDigest) } ?? ""
    }

    /// Tells everybody what became of the order, by the results of the statements.
    func answer(_ results: ArraySlice<CommandResult>) {
        var rest = results
        if !accepts.isEmpty, let result = rest.popFirst() {
            var accepted: Set<Int64> = []
            for row in 0..<result.rowCount {
                if let number = result.text(row: row, column: 0).flatMap(Int64.init) {
                    accepted.insert(number)
                }
            }
            for (record, reply) in accepts {
                reply.resume(
                    returning: accepted.contains(record.id.number) ? .accepted : .keyTaken)
            }
        }
        if !tombstones.isEmpty, let result = rest.popFirst() {
            let decisions = decisions(result)
            for (record, reply) in tombstones {
                // An insert that lost on the key, not on the id: no row will ever hold this id.
                reply.resume(
                    returning: decisions[record.id.number] ?? .missing)
            }
        }
        if !decides.isEmpty, let result = rest.popFirst() {
            let decisions = decisions(result)
            for (_, record, reply) in decides {
                reply.resume(
                    returning: decisions[record.id.number] ?? .missing)
            }
        }
        if !delegates.isEmpty, let result = rest.popFirst() {
            let decisions = decisions(result)
            for (record, reply) in delegates {
                reply.resume(returning: decisions[record.id.number] ?? .missing)
            }
        }
        if !copies.isEmpty, let result = rest.popFirst() {
            let decisions = decisions(result)
            for (_, record, reply) in copies {
                reply.resume(returning: decisions[record.id.number] ?? .missing)
            }
        }
        for (_, _, reply) in ends { reply.resume() }
    }

    private func decisions(_ result: CommandResult) -> [Int64: DecideAnswer] {
        var decisions: [Int64: DecideAnswer] = [:]
        for row in 0..<result.rowCount {
            guard let number = result.text(row: row, column: 0).flatMap(Int64.init) else {
                continue
            }
            let texts = result.text(row: row, column: 2).flatMap(ArrayLiteral.read) ?? []
            let evidence = texts.map { $0.flatMap(RowCoding.evidence(of:)) }
            if let decision = result.text(row: row, column: 1).flatMap(Decision.init(rawValue:)) {
                decisions[number] = .decided(decision, evidence: evidence)
            } else if result.text(row: row, column: 3) == "t" {
                decisions[number] = .delegated(evidence: evidence)
            }
        }
        return decisions
    }
}
