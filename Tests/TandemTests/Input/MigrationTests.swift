import CoordinatorAPI
import Testing

@testable import tandem

/// Sessions keep prepared statements, and tables change while they live.
@Suite("Nothing fails because of what was prepared before a migration")
struct MigrationTests {
    /// A statement that was prepared before a change, and is sent again after it.
    struct Change: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let before: [String]
        /// Statements of a branch as JSON, when they are prepared.
        let statements: String
        let change: [String]
        /// The same SQL with the values that it has afterwards; nil if they are the same.
        var afterwards: String?
        /// What is in the database then.
        var look: String?
        var found: String?
    }

    private static func insert(_ value: String) -> String {
        #"{"sql":"INSERT INTO m (v) VALUES ($1)","parameters":[\#(value)]}"#
    }

    private static let whole =
        #"{"sql":"SELECT * FROM mig"},{"sql":"SELECT * FROM mig WHERE id = 1"}"#

    static let changes = [
        Change(
            testDescription: "an integer that became text", before: ["CREATE TABLE m (v int)"],
            statements: insert("7"), change: ["ALTER TABLE m ALTER v TYPE text"],
            afterwards: insert(#""seven""#), look: "SELECT max(v) FROM m", found: "seven"),
        Change(
            testDescription: "a value that the old type takes otherwise, and a key finds taken",
            before: ["CREATE TABLE m (v int)"], statements: insert("7"),
            change: [
                "ALTER TABLE m ALTER v TYPE text", "DELETE FROM m", "INSERT INTO m VALUES ('7')",
                "CREATE UNIQUE INDEX ON m (v)",
            ],
            afterwards: insert(#""007""#), look: "SELECT min(v) FROM m", found: "007"),
        Change(
            testDescription: "text that became an integer", before: ["CREATE TABLE m (v text)"],
            statements: insert(#""7""#), change: ["ALTER TABLE m ALTER v TYPE int USING v::int"],
            afterwards: insert("8"), look: "SELECT max(v) FROM m", found: "8"),
        Change(
            testDescription: "a column dropped and added again", before: ["CREATE TABLE m (v int)"],
            statements: insert("7"),
            change: ["ALTER TABLE m DROP v", "ALTER TABLE m ADD v date"],
            afterwards: insert(#""2026-01-02""#), look: "SELECT max(v) FROM m",
            found: "2026-01-02"),
        Change(
            testDescription: "an enumeration dropped and made again",
            before: ["CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE m (v mood)"],
            statements: insert(#""sad""#),
            change: [
                "ALTER TABLE m ALTER v TYPE text", "DROP TYPE mood",
                "CREATE TYPE mood AS ENUM ('sad', 'glad')",
                "ALTER TABLE m ALTER v TYPE mood USING v::mood",
            ], afterwards: insert(#""glad""#), look: "SELECT max(v) FROM m", found: "glad"),
        Change(
            testDescription: "a domain that became what lies below it",
            before: ["CREATE DOMAIN small AS int CHECK (VALUE < 10)", "CREATE TABLE m (v small)"],
            statements: insert("7"), change: ["ALTER TABLE m ALTER v TYPE int"],
            afterwards: insert("11"), look: "SELECT max(v) FROM m", found: "11"),
        Change(
            testDescription: "a domain dropped and made again",
            before: ["CREATE DOMAIN small AS int CHECK (VALUE < 10)", "CREATE TABLE m (v small)"],
            statements: insert("7"),
            change: ["DROP DOMAIN small CASCADE", "ALTER TABLE m ADD v bigint"],
            afterwards: insert("3000000000"), look: "SELECT max(v) FROM m", found: "3000000000"),
        Change(
            testDescription: "a table dropped and made again",
            before: ["CREATE TABLE m (v int, w text)"],
            statements: #"{"sql":"SELECT * FROM m"}"#,
            change: ["DROP TABLE m", "CREATE TABLE m (w text, x date)"]),
        Change(
            testDescription: "a function with another result",
            before: ["CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'"],
            statements: #"{"sql":"SELECT f($1)","parameters":[1]}"#,
            change: [
                "DROP FUNCTION f(int)",
                "CREATE FUNCTION f(int) RETURNS text LANGUAGE sql AS 'SELECT $1::text'",
            ]),
        Change(
            testDescription: "a function of other arguments",
            before: ["CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'"],
            statements: #"{"sql":"SELECT f($1)","parameters":[1]}"#,
            change: [
                "DROP FUNCTION f(int)",
                "CREATE FUNCTION f(text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            ], afterwards: #"{"sql":"SELECT f($1)","parameters":["one"]}"#),
        Change(
            testDescription: "a view made again",
            before: ["CREATE VIEW m AS SELECT 1 AS a"],
            statements: #"{"sql":"SELECT * FROM m"}"#,
            change: ["DROP VIEW m", "CREATE VIEW m AS SELECT 'x' AS b, 2 AS c"]),
        Change(
            testDescription: "another schema in the search path",
            before: [
                "CREATE SCHEMA one CREATE TABLE m (v int)",
                "CREATE SCHEMA two CREATE TABLE m (v text)",
            ],
            statements: #"{"sql":"SET LOCAL search_path = one"},"# + insert("7"), change: [],
            afterwards: #"{"sql":"SET LOCAL search_path = two"},"# + insert(#""seven""#),
            look: "SELECT max(v) FROM two.m", found: "seven"),
        Change(
            testDescription: "a table that the branch itself alters between two of the same",
            before: ["CREATE TABLE m (v int)"], statements: #"{"sql":"SELECT * FROM m"}"#,
            change: [],
            afterwards: #"{"sql":"SELECT * FROM m"},{"sql":"ALTER TABLE m ADD w int"},"#
                + #"{"sql":"SELECT * FROM m"}"#),
        Change(
            testDescription: "a list whose column became JSON",
            before: ["CREATE TABLE m (v int[])"], statements: insert("[1,2]"),
            change: ["ALTER TABLE m DROP v", "ALTER TABLE m ADD v jsonb"],
            afterwards: insert("[1,2]"), look: "SELECT max(v::text) FROM m", found: "[1, 2]"),
        Change(
            testDescription: "a list whose column became an array",
            before: ["CREATE TABLE m (v text)"], statements: insert("[1,2]"),
            change: ["ALTER TABLE m DROP v", "ALTER TABLE m ADD v text[]"],
            afterwards: insert("[1,2]"), look: "SELECT max(v::text) FROM m", found: "{1,2}"),
    ]

    private static func body(_ statements: String, _ more: String = "") -> String {
        #"{"branches":[{"participant":"users","statements":[\#(statements)]}]\#(more)}"#
    }

    @Test("whatever it was", arguments: changes)
    func change(_ change: Change) async throws {
        try await withTestbed(keys: ["users": "poolSize: 1"]) { testbed in
            try await testbed.asStranger("users", change.before)
            for _ in 1...2 { #expect(try await testbed.commits(Self.body(change.statements))) }
            try await testbed.asStranger("users", change.change)
            let body = Self.body(change.afterwards ?? change.statements)
            let first = try await testbed.post(body, key: "first")
            #expect(first.status == 201, "\(first.text)")
            if let look = change.look {
                #expect(try await testbed.value("users", look) == change.found)
            }
            let replayed = try await testbed.post(body, key: "first")
            #expect(replayed.text == first.text)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test(
        "in none of the sessions, with several such statements, and with whatever end",
        arguments: ["", #","onePhase":true"#, "journal", "readOnly"])
    func everySession(_ commitMode: String) async throws {
        let key = commitMode == "journal" ? "poolSize: 3, journal: true" : "poolSize: 3"
        let more = commitMode.hasPrefix(",") ? commitMode : ""
        func body(_ statements: String) -> String {
            let branch = #"{"participant":"users","statements":[\#(statements)]}"#
            let reading = String(branch.dropLast()) + #","readOnly":true}"#
            // A branch that only reads needs another that writes, and is the whole of it here.
            return #"{"branches":[\#(commitMode == "readOnly" ? reading : branch)]\#(more)}"#
        }
        try await withTestbed(keys: ["users": key]) { testbed in
            try await testbed.asStranger(
                "users",
                [
                    "CREATE TABLE mig (id int, a int)", "INSERT INTO mig VALUES (1, 2)",
                ])
            let waiting = body(Self.whole + #",{"sql":"\#(Testbed.waiting)"}"#)
            for answer in try await Self.together(testbed, waiting, [nil, nil, nil]) {
                #expect(answer.status == 201)
            }
            try await testbed.asStranger("users", ["ALTER TABLE mig ADD COLUMN b int"])
            for answer in try await Self.together(testbed, waiting, ["k1", "k2", "k3"]) {
                #expect(answer.status == 201, "\(answer.text)")
                for statement in 0...1 {
                    let rows = answer.body["branches"]?[0]?["results"]?[statement]?["rows"]
                    #expect(rows?[0]?["b"] == .null && rows?[0]?["a"]?.integer == 2)
                }
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    /// Runs branches that are in their statements at once, so that each has a session of its own.
    private static func together(
        _ testbed: Testbed, _ body: String, _ keys: [String?]
    ) async throws -> [Testbed.Answer] {
        try await testbed.asStranger("users", ["DELETE FROM accounts WHERE id = 'go'"])
        let client = testbed.client
        return try await withThrowingTaskGroup(of: Testbed.Answer.self) { group in
            for key in keys {
                group.addTask {
                    try Testbed.answer(await client.post("/v1/transactions", body, key: key))
                }
            }
            try await testbed.until("all are at work") {
                try await testbed.value(
                    "users",
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %' "
                        + "AND pid <> pg_backend_pid() AND state = 'active'") == "\(keys.count)"
            }
            try await testbed.go("users")
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// What has run and failed for a reason of its own does not run twice, although its statement was
    /// prepared before.
    @Test(
        "and what fails for its own reason fails once",
        arguments: [
            ("RAISE EXCEPTION 'no'", "P0001"), ("RAISE insufficient_privilege", "42501"),
            ("RAISE undefined_table", "42P01"),
            ("RAISE EXCEPTION USING ERRCODE = 'XX000'", "XX000"),
            ("PERFORM 1 / (n - n)", "22012"), ("PERFORM ('x' || n)::int", "22P02"),
            ("EXECUTE 'SELECT * FROM nowhere'", "42P01"),
            ("INSERT INTO m VALUES (1), (1)", "23505"),
        ])
    func ownFailures(_ what: String, _ state: String) async throws {
        try await withTestbed(keys: ["users": "poolSize: 1"]) { testbed in
            try await testbed.asStranger(
                "users",
                [
                    "CREATE TABLE m (v int PRIMARY KEY)", "CREATE SEQUENCE calls",
                    """
                    CREATE FUNCTION f(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
                        IF n = 0 THEN RETURN 0; END IF;
                        PERFORM nextval('calls'); \(what); RETURN 1;
                    END $$
                    """,
                ])
            #expect(try await testbed.run("SELECT f($1)", "[0]").status == 201)
            for _ in 1...3 {
                let answer = try await testbed.run("SELECT f($1)", "[1]")
                #expect(answer.status == 409)
                #expect(answer.body["sqlstate"]?.string == state, "\(answer.text)")
            }
            #expect(try await testbed.value("users", "SELECT last_value FROM calls") == "3")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }
}
