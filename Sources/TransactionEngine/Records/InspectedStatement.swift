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
    /// Its SQL, inspected.
    package let text: InspectedText
    /// Whether it can return rows.
    package var returnsRows: Bool { text.facts.returnsRows }
    /// A hash of its SQL, the same for the same text as long as the process runs.
    var textHash: Int { text.hash }

    /// Inspects a statement of a branch.
    ///
    /// - Throws: ``StatementRefusal`` for the first rule that the statement breaks.
    package init(
        inspecting statement: Statement, for commitMode: CommitMode
    ) throws(StatementRefusal) {
        text = try InspectedText.inspecting(statement.sql)
        try text.facts.checkValues(statement.parameters)
        if commitMode == .twoPhase { try text.facts.checkIsPreparable() }
        self.statement = statement
    }
}

/// A text of SQL that has passed the gate.
///
/// It is an object so that whatever is worked out for a text can be found by its identity: the same object
/// is the same SQL, and nothing hashes the SQL again.
package final class InspectedText: Sendable {
    /// The text.
    package let sql: String
    /// What the inspection found.
    package let facts: StatementFacts
    /// Whether later statements with the same SQL are likely to have this object.
    package let isKept: Bool
    fileprivate let hash: Int

    private init(_ sql: String) throws(StatementRefusal) {
        self.sql = sql
        facts = try StatementGate.inspect(sql)
        isKept = sql.utf8.count <= Self.keptBytesMax
        hash = sql.hashValue
    }

    /// Services send the same few texts again and again: a lookup costs a fifteenth of an inspection.
    private static let kept = Lock<[String: InspectedText]>([:])
    private static let keptMax = 1024
    private static let keptBytesMax = 4096

    fileprivate static func inspecting(_ sql: String) throws(StatementRefusal) -> InspectedText {
        // Two spellings of a letter are equal to Swift's String, and PostgreSQL gets their bytes.
        if let text = kept.withLock({ $0[sql] }), text.sql.hasSameBytes(as: sql) {
            return text
        }
        let text = try InspectedText(sql)
        if text.isKept {
            kept.withLock { kept in
                if kept.count >= keptMax { kept.removeAll(keepingCapacity: true) }
                kept[sql] = text
            }
        }
        return text
    }
}
