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

    /// Inspects a statement of a branch.
    ///
    /// - Throws: ``StatementRefusal`` for the first rule that the statement breaks.
    package init(
        inspecting statement: Statement, for commitMode: CommitMode
    ) throws(StatementRefusal) {
        let facts = try Self.facts(of: statement.sql)
        try facts.checkValues(statement.parameters)
        if commitMode == .twoPhase { try facts.checkIsPreparable() }
        self.statement = statement
        returnsRows = facts.returnsRows
    }

    /// Services send the same few texts again and again: a lookup costs a fifteenth of an inspection.
    private static let known = Lock<[String: StatementFacts]>([:])
    private static let knownMax = 1024
    private static let knownBytesMax = 4096

    private static func facts(of sql: String) throws(StatementRefusal) -> StatementFacts {
        if let facts = known.withLock({ $0[sql] }) { return facts }
        let facts = try StatementGate.inspect(sql)
        if sql.utf8.count <= knownBytesMax {
            known.withLock { known in
                if known.count >= knownMax { known.removeAll(keepingCapacity: true) }
                known[sql] = facts
            }
        }
        return facts
    }
}
