package import CommitProtocol
import EventLoop
package import StatementGate

/// A statement that may be sent.
///
/// Its SQL has passed the gate, its values fit the placeholders, and a branch of this commit mode can run
/// it. Inspecting is the only way to make one, so nothing that gets one inspects its SQL again.
package struct InspectedStatement: Sendable {
    /// The statement, as the caller wrote it.
    package let statement: Statement
    /// Whether it can return rows.
    package let returnsRows: Bool
    /// A hash of its SQL, the same for the same text as long as the process runs.
    let textHash: Int

    /// Inspects a statement of a branch.
    ///
    /// - Throws: ``StatementRefusal`` for the first rule that the statement breaks.
    package init(
        inspecting statement: Statement, for commitMode: CommitMode
    ) throws(StatementRefusal) {
        let text = try Self.inspect(statement.sql)
        try text.facts.checkValues(statement.parameters)
        if commitMode == .twoPhase { try text.facts.checkIsPreparable() }
        self.statement = statement
        returnsRows = text.facts.returnsRows
        textHash = text.hash
    }

    /// What is known of a text of SQL that has passed the gate.
    private struct InspectedText {
        let facts: StatementFacts
        let hash: Int
    }

    /// Services send the same few texts again and again: a lookup costs a fifteenth of an inspection.
    private static let known = Lock<[String: InspectedText]>([:])
    private static let knownMax = 1024
    private static let knownBytesMax = 4096

    private static func inspect(_ sql: String) throws(StatementRefusal) -> InspectedText {
        if let text = known.withLock({ $0[sql] }) { return text }
        let text = InspectedText(facts: try StatementGate.inspect(sql), hash: sql.hashValue)
        if sql.utf8.count <= knownBytesMax {
            known.withLock { known in
                if known.count >= knownMax { known.removeAll(keepingCapacity: true) }
                known[sql] = text
            }
        }
        return text
    }
}
