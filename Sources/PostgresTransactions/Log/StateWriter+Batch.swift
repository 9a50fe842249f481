import CommitProtocol
import EventLoop
import PostgresClient
import TransactionEngine

extension StateWriter {
    /// A write, and what its answer is handed to.
    struct PendingWrite {
        let write: LogWrite
        let kind: FlushStatement.Kind
        let complete: @LoopActor (LogAnswer) -> Void

        init(_ write: LogWrite, then completion: @escaping @LoopActor (LogAnswer) -> Void) {
            self.write = write
            kind = FlushStatement.Kind(of: write)
            complete = completion
        }

        var isLazy: Bool { write.isLazy }
    }

    /// The writes of one flush, grouped by the statement that writes them.
    struct Batch {
        let writes: [PendingWrite]
        /// Whether it is sent again because of a statement that did not fit the schema any more.
        var isRepeated = false
        private let groups: [(kind: FlushStatement.Kind, writes: [PendingWrite])]

        init(_ writes: some Collection<PendingWrite>) {
            self.writes = Array(writes)
            groups = FlushStatement.Kind.allCases.compactMap { kind in
                let own = writes.filter { $0.kind == kind }
                return own.isEmpty ? nil : (kind, own)
            }
        }

        var commands: [Command] { groups.map { $0.kind.command($0.writes.map(\.write)) } }

        /// Two batches of half the writes each.
        func halves() -> (Batch, Batch) {
            let middle = writes.count / 2
            return (Batch(writes[..<middle]), Batch(writes[middle...]))
        }

        /// Answers every write by the results of the commands.
        @LoopActor
        func answer(_ results: ArraySlice<CommandResult>) {
            for ((kind, writes), result) in zip(groups, results) {
                let answers = kind.answers(result)
                for pending in writes {
                    let answer = answers[pending.write.record.id.number]
                    pending.complete(answer ?? kind.answerWithoutRow)
                }
            }
        }
    }
}
