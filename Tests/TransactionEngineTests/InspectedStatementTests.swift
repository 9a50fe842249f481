import CommitProtocol
import StatementGate
import Testing
import TransactionEngine

@Suite("Statements of a branch, inspected for its commit mode")
struct InspectedStatementTests {
    private let notify = Statement(sql: "; /* now */ notify a, 'b'")

    @Test("refuses NOTIFY in a branch that will be prepared")
    func refusesNotifyBeforePrepare() throws {
        let refusal = #expect(throws: StatementRefusal.self) {
            try InspectedStatement(inspecting: notify, for: .twoPhase)
        }
        #expect(refusal?.reason == .cannotBePrepared)
    }

    @Test("lets NOTIFY through in a branch that is not prepared")
    func allowsNotifyWithoutPrepare() throws {
        for commitMode in [CommitMode.onePhase, .journal, .readOnly] {
            _ = try InspectedStatement(inspecting: notify, for: commitMode)
        }
    }

    @Test("takes no text for another one that Swift calls equal")
    func inspectsEachSpelling() throws {
        for sql in ["SELECT '\u{E9}'", "SELECT 'e\u{301}'"] {
            let inspected = try InspectedStatement(
                inspecting: Statement(sql: sql), for: .twoPhase)
            #expect(Array(inspected.text.sql.utf8) == Array(sql.utf8))
        }
    }

    @Test("refuses a statement whose values do not fit its placeholders")
    func refusesMissingValue() throws {
        #expect(throws: StatementRefusal.self) {
            try InspectedStatement(
                inspecting: Statement(sql: "SELECT $1, $2", parameters: ["a"]), for: .twoPhase)
        }
    }
}
