import CommitProtocol
import Testing
import TransactionEngine

@testable import OperatorConsole

@Suite struct BreakGlassTests {
    private func statement(_ record: TransactionRecord, branch: Int = 0) -> String? {
        guard case .statement(let sql, _, _, _) = BreakGlass(record.branches[branch], of: record)
        else { return nil }
        return sql
    }

    private func reason(_ record: TransactionRecord, branch: Int = 0) -> String? {
        guard case .none(let reason) = BreakGlass(record.branches[branch], of: record) else {
            return nil
        }
        return reason
    }

    @Test func followsTheDecision() {
        #expect(
            statement(Records.record(.committing, .commit)) == "COMMIT PREPARED 'tandem:i:7:0';")
        #expect(
            statement(Records.record(.aborting, .abort)) == "ROLLBACK PREPARED 'tandem:i:7:0';")
    }

    @Test func saysWhatAMissingPreparedTransactionProves() {
        var doubtful = Records.record(.committing, .commit)
        #expect(!Records.page(doubtful).contains("proves nothing"))
        doubtful.branches[0].evidence = nil
        #expect(
            Records.page(doubtful).contains("proves nothing: look for the branch&#39;s rows before")
        )
        var aborting = Records.record(.aborting, .abort)
        aborting.branches[0].evidence = nil
        #expect(Records.page(aborting).contains("proves nothing: its PREPARE may still arrive"))
    }

    @Test func doublesQuotes() {
        let record = Records.record(.committing, .commit, gid: "it's; DROP TABLE users; --'")
        #expect(statement(record) == "COMMIT PREPARED 'it''s; DROP TABLE users; --''';")
    }

    @Test(arguments: [TransactionState.active, .preparing])
    func givesNoStatementWithoutADecision(_ state: TransactionState) {
        let record = Records.record(state)
        #expect(statement(record) == nil)
        #expect(reason(record)?.hasPrefix("Nothing is decided yet") == true)
    }

    @Test func namesTheCommitPointThatMayHoldTheDecision() {
        var record = Records.record(.preparing)
        record.branches[1] = BranchRecord(
            participant: "orders", gid: "tandem:i:7:1", commitMode: .onePhase)
        #expect(statement(record) == nil)
        #expect(reason(record)?.contains("orders, the commit point") == true)
    }

    @Test func givesNoStatementForWhatIsHeldOrCannotBeDecided() {
        var held = Records.record(.preparing)
        held.isHeld = true
        #expect(reason(held)?.hasPrefix("The decision may be lost") == true)
        #expect(
            reason(Records.record(.needsOperator))?.hasPrefix("The decision cannot be found out")
                == true)
    }

    @Test func givesNoStatementForABranchThatIsNotPrepared() {
        var record = Records.record(.committing, .commit)
        record.branches[1] = BranchRecord(
            participant: "orders", gid: "tandem:i:7:1", commitMode: .journal)
        #expect(statement(record, branch: 1) == nil)
        #expect(reason(record, branch: 1)?.hasPrefix("This branch is not prepared") == true)
    }
}
