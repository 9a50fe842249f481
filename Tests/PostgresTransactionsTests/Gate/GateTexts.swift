/// Texts of SQL from a seed: statements of all kinds, disguised, spliced and broken.
struct GateTexts: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    private static let statements = [
        "SELECT 1", "SELECT a FROM t WHERE a = $1", "VALUES (1), (2)", "TABLE t",
        "INSERT INTO t VALUES (3, 'z') RETURNING a", "UPDATE t SET b = 'q' WHERE a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING (VALUES (1)) AS v(x) ON a = x WHEN MATCHED THEN DELETE",
        "WITH c AS (INSERT INTO t VALUES (9, 'c') RETURNING *) SELECT * FROM c",
        "CREATE TABLE n (a int)", "CREATE TEMP TABLE m (a int)", "DROP TABLE t", "TRUNCATE t",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC INSERT INTO t VALUES (1, 'p'); END",
        "CREATE FUNCTION h() RETURNS int LANGUAGE sql BEGIN ATOMIC "
            + "SELECT CASE WHEN true THEN 1 ELSE 2 END; END",
        "DO $$BEGIN PERFORM 1; END$$", "DO $$BEGIN COMMIT; END$$", "DO 'BEGIN ROLLBACK; END'",
        "DO $$BEGIN EXECUTE 'PREPARE TRANSACTION ''x'''; END$$", "CALL ends()", "CALL undoes()",
        "SELECT ends_too()", "SET work_mem = '1MB'", "SET LOCAL work_mem = '1MB'",
        "SET SESSION work_mem TO DEFAULT", "RESET work_mem", "RESET ALL", "SET ROLE other",
        "SET ROLE NONE", "SET SESSION AUTHORIZATION DEFAULT", "SET search_path = public",
        "SET TIME ZONE 'UTC'", "SET \"session_authorization\" = 'caller'", "SET NAMES 'LATIN1'",
        "SET \"client_encoding\" = 'LATIN1'", "SET CONSTRAINTS ALL DEFERRED", "SHOW work_mem",
        "SELECT set_config('work_mem', '1MB', false)", "SELECT set_config('role', 'other', false)",
        "SELECT pg_advisory_lock(1)", "SELECT nextval('s')", "SELECT setseed(0.5)", "LOCK TABLE t",
        "DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "FETCH c",
        "CLOSE ALL", "MOVE c", "EXPLAIN SELECT 1", "EXPLAIN ANALYZE INSERT INTO t VALUES (1, 'e')",
        "NOTIFY n", "LISTEN n", "UNLISTEN *", "COPY t TO STDOUT", "COPY t FROM STDIN",
        "COPY (SELECT 1) TO STDOUT", "ANALYZE t", "VACUUM", "CHECKPOINT", "CLUSTER", "LOAD 'x'",
        "COMMENT ON TABLE t IS 'x'", "GRANT SELECT ON t TO other", "ALTER TABLE t ADD c int",
        "DISCARD ALL", "DISCARD PLANS", "PREPARE q AS SELECT 1", "EXECUTE q", "DEALLOCATE ALL",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)", "CREATE SCHEMA x",
        "CREATE SCHEMA y CREATE TABLE z (a int) CREATE VIEW w AS SELECT 1",
    ]
    private static let controls = [
        "COMMIT", "END", "ROLLBACK", "ABORT", "BEGIN", "START TRANSACTION", "SAVEPOINT a",
        "RELEASE a", "ROLLBACK TO a", "COMMIT AND CHAIN", "PREPARE TRANSACTION 'x'",
        "COMMIT PREPARED 'x'", "ROLLBACK PREPARED 'x'", "END WORK", "SET TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET transaction_read_only = on",
    ]
    /// What separates, hides, or looks as if it did.
    private static let noise = [
        " ", "\t", "\n", "\r", "\u{b}", "\u{c}", "\u{a0}", "\u{feff}", "\u{200b}", "\u{2028}",
        ";", ";;", "--", "-- x\n", "-- x\r", "--\u{b}\n", "/*", "*/", "/**/", "/* /* */ */",
        "/*/", "*//*", "/*'*/", "'", "''", "\"", "\"\"", "E'\\''", "E'\\\\'", "e'", "N'x'", "B'1'",
        "U&'\\0041'", "U&\"d\"", "$$", "$$;$$", "$a$", "$a$;COMMIT$a$", "$é$ ; $é$", "$1", "$0",
        "$1a", "1$1", "a$$", "a$b$", "(", ")", "()", "[", "]", ",", ".", "::", ":", "\\", "\\;",
        "\\g", "@", "#", "%", "-", "+", "|", "!", "~", "BEGIN ATOMIC", "END", "CASE", "ATOMIC",
        "END;", "AS", "é", "'\n'", "'a' -- b\n 'c'", "1e", "0x", "1_0",
    ]

    /// The generator SplitMix64.
    private mutating func random() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private mutating func below(_ bound: Int) -> Int { Int(random() % UInt64(bound)) }

    private mutating func pick(_ choices: [String]) -> String { choices[below(choices.count)] }

    /// The next text.
    mutating func next() -> String {
        switch below(10) {
        case 0...3: mutated(pick(Self.statements))
        case 4, 5: blank() + pick(Self.statements) + pick(["", ";", " ; ", ";--", "; /* */"])
        case 6: mutated(pick(Self.controls))
        case 7:
            mutated(pick(Self.statements)) + pick(Self.noise) + pick([";", "; ", "\n;\n", ""])
                + pick(Self.noise) + pick(Self.controls)
        case 8: disguised(pick(Self.controls))
        default: (0...below(9)).map { _ in piece() }.joined(separator: pick(["", " "]))
        }
    }

    private mutating func piece() -> String {
        switch below(4) {
        case 0: pick(Self.statements)
        case 1: pick(Self.controls)
        default: pick(Self.noise)
        }
    }

    private mutating func blank() -> String {
        pick(["", " ", "/* ; */", "-- COMMIT\n", "\n\t", ";", "/*/* */ COMMIT; */"])
    }

    /// A text in other letters, with noise put in, or with a part missing or twice.
    private mutating func mutated(_ text: String) -> String {
        var characters = Array(text)
        for _ in 0..<below(3) {
            let place = below(characters.count + 1)
            switch below(4) {
            case 0 where !characters.isEmpty:
                characters.remove(at: min(place, characters.count - 1))
            case 1:
                let end = min(characters.count, place + below(6))
                characters.insert(contentsOf: characters[place..<end], at: place)
            default: characters.insert(contentsOf: pick(Self.noise), at: place)
            }
        }
        return String(
            characters.map { $0.isASCII && below(4) == 0 ? Character($0.lowercased()) : $0 })
    }

    /// A verb of control where the gate may not expect it.
    private mutating func disguised(_ verb: String) -> String {
        let shapes: [(String, String)] = [
            ("(", ")"), ("EXPLAIN ", ""), ("EXPLAIN ANALYZE ", ""), ("DO ", ""),
            ("WITH x AS (", ") SELECT 1"),
            ("CREATE FUNCTION k() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END; ", ""),
            ("CREATE PROCEDURE k() BEGIN ATOMIC ", "; END"),
            ("CREATE OR REPLACE FUNCTION k() RETURNS int AS 'SELECT 1' LANGUAGE sql; ", ""),
            ("CREATE RULE r AS ON INSERT TO t DO ALSO (", "; SELECT 1)"),
            ("DECLARE c CURSOR FOR ", ""), ("SELECT '\\'; ", "'"), ("SELECT E'\\'; ", "'"),
            ("SELECT $a$; ", "$a$"), ("SELECT 1 --\r", ""), ("SELECT 1 /* ", " */"),
            ("CREATE SCHEMA x ", ""), ("SELECT 1 \\; ", ""), ("\u{feff}", ""), ("\"", "\""),
            ("SELECT U&'\\' UESCAPE '!'; ", ""), ("CREATE FUNCTION CASE BEGIN ATOMIC; ", ""),
        ]
        let (before, after) = shapes[below(shapes.count)]
        return before + verb + after
    }
}
