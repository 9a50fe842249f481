import StatementGate
import Testing

@Suite("Statements that the gate lets pass")
struct AcceptedStatements {
    @Test(
        "A semicolon or verb inside quotes and comments means nothing",
        arguments: [
            "SELECT 'a; COMMIT'", "SELECT 'it''s; COMMIT'", "SELECT \"a;b\" FROM \"x\"\"; COMMIT\"",
            "SELECT $$; COMMIT$$", "SELECT $a$ $$; $b$ ; $a$", "SELECT $é$;$é$",
            "SELECT E'\\'; COMMIT'", "SELECT e'\\\\', 'x'", "SELECT U&'\\0041;', U&\"a;\"",
            "SELECT 1 -- ; COMMIT", "/* ; /* ; */ COMMIT; */ SELECT 1", "SELECT 1 /* a */ ;",
            "SELECT E'a'\n'\\'; COMMIT'", "SELECT E'a' -- note\n '\\'; COMMIT'",
            "SELECT 'a' 'b;'", "SELECT N'a;', B'1', X'1F'", "SELECT 1 +-- ;\n 2",
            "SELECT 2*/* ; */3",
        ])
    func ignoresQuotesAndComments(_ sql: String) throws {
        let inspected = try StatementGate.inspect(sql)
        #expect(inspected.returnsRows)
        #expect(inspected.parameterCount == 0)
    }

    @Test(
        "Blanks and semicolons around one statement are forgiven",
        arguments: [
            ";SELECT 1", " ; ;\n/* a */ ; SELECT 1;", "SELECT 1;;", "SELECT 1; -- end",
            "SELECT 1 ; /* end */ ; ", "\tSELECT\u{c}1\r\n",
        ])
    func allowsBlanksAndSemicolons(_ sql: String) throws {
        #expect(try StatementGate.inspect(sql).returnsRows)
    }

    @Test(
        "Semicolons that divide the body of one statement are no separators",
        arguments: [
            "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)",
            "CREATE FUNCTION f(int) RETURNS int BEGIN ATOMIC SELECT 1; SELECT $1; END",
            "create or replace procedure p() begin atomic "
                + "select case when true then 1 end; select 2; end;",
        ])
    func allowsSemicolonsInBody(_ sql: String) throws {
        let facts = try StatementGate.inspect(sql)
        #expect(!facts.returnsRows)
        #expect(facts.parameterCount == 0)
    }

    @Test(
        "Whether rows can come back",
        arguments: [
            ("SELECT 1", true), ("(SELECT 1) UNION (SELECT 2)", true), ("VALUES (1)", true),
            ("table users", true), ("WITH a AS (SELECT 1) INSERT INTO b SELECT * FROM a", true),
            ("SHOW TimeZone", true), ("EXPLAIN SELECT 1", true), ("CALL p()", true),
            ("FETCH ALL FROM c", true), ("INSERT INTO a VALUES (1) returning id", true),
            ("INSERT INTO a VALUES ('RETURNING id')", false), ("UPDATE a SET b = 1", false),
            ("DELETE FROM \"returning\"", false), ("DO $$ BEGIN END $$", false),
            ("LOCK TABLE a", false), ("SET LOCAL lock_timeout = 1", false), ("SET ROLE a", false),
            ("RESET ROLE", false), ("COPY a FROM '/tmp/file'", false),
            ("COPY (SELECT 1 FROM stdin) TO '/tmp/file'", false),
            ("DECLARE c CURSOR FOR SELECT 1", false),
            ("UPDATE a SET commit = 1, rollback = 2", false),
        ])
    func tellsWhetherRowsReturn(_ sql: String, _ expected: Bool) throws {
        #expect(try StatementGate.inspect(sql).returnsRows == expected)
    }

    @Test(
        "The highest placeholder counts, outside quotes only",
        arguments: [
            ("SELECT $1, $2", 2), ("SELECT $2", 2), ("SELECT $1, $1", 1),
            ("SELECT '$9', $$ $8 $$", 0),
            ("SELECT $10::text, $2", 10), ("SELECT $1$$;$$", 1), ("SELECT a$1 FROM b", 0),
            ("SELECT $65535", 65535), ("INSERT INTO a VALUES ($1,$2,$3)", 3),
            ("SELECT /* $4 */ $1", 1),
        ])
    func countsPlaceholders(_ sql: String, _ expected: Int) throws {
        #expect(try StatementGate.inspect(sql).parameterCount == expected)
    }

    @Test("A wrong number of values is refused with both numbers")
    func refusesWrongNumberOfValues() throws {
        let inspected = try StatementGate.inspect("SELECT $1, $2")
        try inspected.checkValues(["1", nil])
        let refusal = #expect(throws: StatementRefusal.self) {
            try inspected.checkValues(["1"])
        }
        #expect(refusal?.reason == .parameterCount)
        #expect(
            refusal?.message == "Expected 2 values, as many as placeholders, got 1.")
    }
}
