import StatementGate
import Testing

@Suite("Statements that the gate refuses")
struct RefusedStatements {
    private func reason(_ sql: String) -> StatementRefusal.Reason? {
        do {
            _ = try StatementGate.inspect(sql)
            return nil
        } catch {
            return error.reason
        }
    }

    @Test(
        "Verbs that would begin, end or divide the transaction",
        arguments: [
            "BEGIN", "begin work", "START TRANSACTION", "COMMIT", "commit and chain", "END",
            "ROLLBACK", "ROLLBACK TO SAVEPOINT a", "ABORT", "SAVEPOINT a", "RELEASE a",
            "PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET LOCAL TRANSACTION READ ONLY",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            "set session transaction read only",
            "SET transaction_isolation = 'serializable'", "SET LOCAL transaction_read_only TO on",
            ";;COMMIT", "/* a */ COMMIT", "/* /* */ */COMMIT;", "-- a\nCOMMIT", "--a\rCOMMIT",
            "\u{c}\u{b}cOmMiT", "(COMMIT)", "COMMIT/**/", "COMMIT--",
        ])
    func refusesTransactionControl(_ sql: String) {
        #expect(reason(sql) == .transactionControl)
    }

    @Test(
        "The schema that the journal of decisions is in",
        arguments: [
            "DELETE FROM tandem_participant.decisions", "TABLE \"tandem_participant\".decisions",
            "SELECT Tandem_Participant.forget(NULL, NULL, NULL)",
            "DO $$BEGIN EXECUTE 'TRUNCATE TANDEM_PARTICIPANT.decisions'; END$$",
        ])
    func refusesReservedSchema(_ sql: String) {
        #expect(reason(sql) == .reservedName)
    }

    @Test(
        "Verbs that concern the session",
        arguments: [
            "PREPARE a AS SELECT 1", "EXECUTE a", "DEALLOCATE ALL", "DISCARD ALL",
            "SET SESSION AUTHORIZATION bob", "SET LOCAL SESSION AUTHORIZATION bob",
            "SET SESSION SESSION AUTHORIZATION bob", "RESET SESSION AUTHORIZATION",
            "SET session_authorization = bob", "SET NAMES 'LATIN1'",
            "set local client_encoding to latin1", "SET SESSION client_encoding = DEFAULT",
            "LISTEN a", "UNLISTEN *",
        ])
    func refusesSessionState(_ sql: String) {
        #expect(reason(sql) == .sessionState)
    }

    @Test("What can never be prepared is refused of a branch that will be, and of no other")
    func refusesNotifyOnlyIfPrepared() throws {
        let found = try StatementGate.inspect("; /* now */ notify a, 'b'")
        let refusal = #expect(throws: StatementRefusal.self) { try found.checkIsPreparable() }
        #expect(refusal?.reason == .cannotBePrepared)
        #expect(refusal?.message.contains("onePhase") == true)
        #expect(throws: Never.self) {
            try StatementGate.inspect("SELECT 'NOTIFY'").checkIsPreparable()
        }
    }

    @Test(
        "The COPY protocol",
        arguments: [
            "COPY a FROM STDIN", "copy a (b, c) from stdin with (format csv)",
            "COPY (SELECT 1) TO STDOUT", "COPY a TO/**/stdout", "COPY a FROM stdout",
        ])
    func refusesCopyProtocol(_ sql: String) {
        #expect(reason(sql) == .copyProtocol)
    }

    @Test(
        "A second statement",
        arguments: [
            "SELECT 1; SELECT 2", "SELECT 1; COMMIT", "SELECT 'a\\'; COMMIT --'",
            "SELECT a$$; SELECT 1 AS b$$",
            "SELECT $1;2", "SELECT 1;$$a$$", "SELECT 'a';'b'", "SELECT U&'\\'; SELECT 2",
            "SELECT (1)); COMMIT",
            "SELECT xe'\\'; COMMIT; --'", "SELECT E'\\''; COMMIT", "SELECT E'a' '\\'; COMMIT --'",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT",
            "CREATE TABLE begin (atomic int); COMMIT", "SELECT 1; ; /* */ x",
        ])
    func refusesSecondStatement(_ sql: String) {
        #expect(reason(sql) == .severalStatements)
    }

    @Test(
        "Nothing at all",
        arguments: ["", " \n\t", ";", " ; ; ", "-- COMMIT", "/* /* */ */", ";--\n;"])
    func refusesEmptyStatement(_ sql: String) {
        #expect(reason(sql) == .empty)
    }

    @Test(
        "What does not end",
        arguments: [
            "SELECT 'a", "SELECT '", "SELECT 'a''", "SELECT \"a", "SELECT \"a\"\"", "SELECT $$a",
            "SELECT $a$ $b$", "SELECT $a$ $A$", "SELECT E'a\\'", "SELECT E'\\", "/* a", "/* /* */",
            "SELECT 1; /*", "SELECT E'a'\n'\\'",
        ])
    func refusesUnterminatedToken(_ sql: String) {
        #expect(reason(sql) == .unterminated)
    }

    @Test(
        "NUL, wherever it stands",
        arguments: [
            "\0", "SELECT 1\0", "SELECT '\0'", "/* \0 */", "-- \0", "SELECT $$\0$$",
            "SELECT E'\\\0'",
        ])
    func refusesNUL(_ sql: String) {
        #expect(reason(sql) == .nulCharacter)
    }

    @Test(
        "Numbers that no placeholder can have",
        arguments: ["SELECT $0", "SELECT $65536", "SELECT $99999999999999999999999999999999"])
    func refusesImpossiblePlaceholder(_ sql: String) {
        #expect(reason(sql) == .placeholderNumber)
    }

    @Test("The sentence names the verb, and the offset the place")
    func namesVerbAndOffset() {
        let refusal = #expect(throws: StatementRefusal.self) {
            try StatementGate.inspect("SELECT 1; COMMIT")
        }
        #expect(refusal?.offset == 10)
        let verb = #expect(throws: StatementRefusal.self) {
            try StatementGate.inspect("commit")
        }
        #expect(verb?.message.contains("must not be COMMIT") == true)
    }
}
