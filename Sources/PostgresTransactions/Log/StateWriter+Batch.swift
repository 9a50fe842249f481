import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

extension StateWriter {
    /// A write, and what its answer is handed to.
    ///
    /// A class, since a record is large and a write is handed on several times.
    @LoopActor
    final class PendingWrite {
        let write: LogWrite
        let kind: FlushStatement.Kind
        let complete: @LoopActor (LogAnswer) -> Void

        init(_ write: LogWrite, then completion: @escaping Completion<LogAnswer>) {
            self.write = write
            kind = FlushStatement.Kind(of: write)
            complete = completion
        }

        var isLazy: Bool { write.request.isLazy }
    }

    /// The writes of one flush.
    @LoopActor
    struct Batch {
        let writes: [PendingWrite]
        /// Whether it is sent again because of a statement that did not fit the schema any more.
        var isRepeated = false

        init(_ writes: some Collection<PendingWrite>) {
            self.writes = Self.inOrderOfKeys(writes)
        }

        /// Keys in one order everywhere, so that two replicas' flushes cannot deadlock.
        private static func inOrderOfKeys(
            _ writes: some Collection<PendingWrite>
        ) -> [PendingWrite] {
            func key(_ pending: PendingWrite) -> [UInt8]? {
                pending.kind == .accept ? pending.write.record.idempotency?.keyDigest : nil
            }
            guard writes.count(where: { key($0) != nil }) > 1 else { return Array(writes) }
            return writes.sorted { (key($0) ?? []).lexicographicallyPrecedes(key($1) ?? []) }
        }

        /// Two batches of half the writes each.
        func halves() -> (Batch, Batch) {
            let middle = writes.count / 2
            return (Batch(writes[..<middle]), Batch(writes[middle...]))
        }

        /// Answers every write by the results of the commands, which are of these kinds.
        func answer(_ results: ArraySlice<CommandResult>, of kinds: [FlushStatement.Kind]) {
            for (kind, result) in zip(kinds, results) {
                let own = writes.filter { $0.kind == kind }
                var rows = ReturnedRows(
                    result,
                    shared: result.rowCount < own.count ? Self.repeatedNumbers(own) : [])
                for pending in own {
                    pending.complete(kind.answer(to: pending.write, from: &rows))
                }
            }
        }

        /// The transactions that several of these writes are of: they have one row in the answer.
        private static func repeatedNumbers(_ writes: [PendingWrite]) -> Set<Int64> {
            var seen: Set<Int64> = []
            return Set(
                writes.map(\.write.record.id.number).filter { !seen.insert($0).inserted })
        }
    }

    /// The arrays that the statements take, kept from one flush to the next.
    @LoopActor
    struct Statements {
        private struct Entry {
            let kind: FlushStatement.Kind
            let statement: FlushStatement
            var arrays: [BinaryArray]
            var isEmpty = true

            mutating func append(_ write: LogWrite) {
                isEmpty = false
                statement.append(write, to: &arrays)
            }

            mutating func removeAll() {
                guard !isEmpty else { return }
                isEmpty = true
                for index in arrays.indices { arrays[index].removeAll() }
            }
        }

        /// By the number of the kind.
        private var entries = FlushStatement.Kind.allCases.map {
            Entry(kind: $0, statement: $0.statement, arrays: $0.statement.arrays)
        }

        /// The commands that write a batch, by kind.
        ///
        /// The arrays go with the commands, which are sent at once. So they are emptied before the
        /// next batch: then nothing else holds them, and they keep their memory.
        mutating func commands(
            for batch: Batch
        ) -> (kinds: [FlushStatement.Kind], commands: [Command]) {
            for index in entries.indices { entries[index].removeAll() }
            for pending in batch.writes { entries[pending.kind.rawValue].append(pending.write) }
            let used = entries.filter { !$0.isEmpty }
            return (used.map(\.kind), used.map { $0.kind.command.with(arrays: $0.arrays) })
        }
    }
}
