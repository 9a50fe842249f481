import CommitProtocol
import PostgresClient
import TransactionEngine

extension StateWriter {
    /// A write, and the caller that waits for its answer.
    struct PendingWrite {
        let write: LogWrite
        let kind: FlushStatement.Kind
        let reply: CheckedContinuation<LogAnswer, Never>

        init(_ write: LogWrite, reply: CheckedContinuation<LogAnswer, Never>) {
            self.write = write
            kind = FlushStatement.Kind(of: write)
            self.reply = reply
        }

        var isLazy: Bool { write.isLazy }
    }

    /// The writes of one flush, grouped by the statement that writes them.
    struct Batch {
        let writes: [PendingWrite]
        private let groups: [(kind: FlushStatement.Kind, writes: [PendingWrite])]

        init(_ writes: [PendingWrite]) {
            self.writes = writes
            groups = FlushStatement.Kind.allCases.compactMap { kind in
                let own = writes.filter { $0.kind == kind }
                return own.isEmpty ? nil : (kind, own)
            }
        }

        var commands: [Command] { groups.map { $0.kind.command($0.writes.map(\.write)) } }

        /// Answers every write by the results of the commands.
        func answer(_ results: ArraySlice<CommandResult>) {
            for ((kind, writes), result) in zip(groups, results) {
                let answers = kind.answers(result)
                for pending in writes {
                    let answer = answers[pending.write.record.id.number]
                    pending.reply.resume(returning: answer ?? kind.answerWithoutRow)
                }
            }
        }
    }
}
