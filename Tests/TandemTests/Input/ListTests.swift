import CoordinatorAPI
import Testing

@testable import tandem

@Suite(
    "Lists reach PostgreSQL as arrays or as JSON, by the parameter's type, and come back as lists")
struct ListTests {
    struct List: Sendable, CustomTestStringConvertible {
        /// The column's type.
        let type: String
        let json: String
        /// The array as SQL.
        let sql: String
        /// How it comes back, if otherwise.
        var back: String?
        var testDescription: String { "\(type) \(json)" }

        init(_ type: String, _ json: String, _ sql: String, back: String? = nil) {
            (self.type, self.json, self.sql, self.back) = (type, json, sql, back)
        }
    }

    private static let types = [
        "CREATE TYPE mood AS ENUM ('sad', 'so \"so\"', 'NULL')",
        "CREATE DOMAIN amount AS numeric CHECK (VALUE > 0)", "CREATE DOMAIN numbers AS int[]",
        "CREATE DOMAIN document AS jsonb", "CREATE DOMAIN amounts AS amount[]",
        "CREATE TYPE pair AS (a int, b text)",
    ]

    static let lists = [
        List("int[]", "[1,-2,null,2147483647]", "ARRAY[1, -2, NULL, 2147483647]"),
        List("int[]", "[]", "'{}'::int[]"),
        List("int[]", "[[1,2],[3,null]]", "ARRAY[[1, 2], [3, NULL]]"),
        List("int[]", #"["1", 2]"#, "ARRAY[1, 2]", back: "[1,2]"),
        List(
            "int8[]", "[9007199254740993,-9223372036854775808]",
            "'{9007199254740993,-9223372036854775808}'::int8[]"),
        List(
            "numeric[]", "[0.10,123456789012345678901234567890.5]",
            "ARRAY[0.10, 123456789012345678901234567890.5]"),
        List("numeric[]", #"["NaN",1]"#, "ARRAY['NaN', 1]::numeric[]"),
        List("float8[]", #"[1.5,"-Infinity"]"#, "ARRAY[1.5, '-Infinity']::float8[]"),
        List(
            "text[]",
            #"["a","","NULL","null",null,"a,b","{c}","\"q\"","\\","\\\"","ü 🐘"," x ","l\nm","\u0007"]"#,
            "ARRAY['a', '', 'NULL', 'null', NULL, 'a,b', '{c}', '\"q\"', E'\\\\', E'\\\\\"', 'ü 🐘', ' x ', E'l\\nm', E'\\x07']"
        ),
        List(
            "text[]", #"[true,1.50,{"a":[1]}]"#, #"ARRAY['true', '1.50', '{"a":[1]}']"#,
            back: #"["true","1.50","{\"a\":[1]}"]"#),
        List("varchar(3)[]", #"["abc"]"#, "ARRAY['abc']"),
        List("bool[]", "[true,false,null]", "ARRAY[true, false, NULL]"),
        List(
            "uuid[]", #"["00000000-0000-4000-8000-000000000001"]"#,
            "ARRAY['00000000-0000-4000-8000-000000000001']::uuid[]"),
        List(
            "timestamptz[]", #"["2026-03-01 12:00:00.5+00"]"#,
            "ARRAY['2026-03-01 12:00:00.5+00']::timestamptz[]"),
        List(
            "bytea[]", #"["\\x00ff",""]"#, #"ARRAY['\x00ff', '']::bytea[]"#,
            back: #"["\\x00ff","\\x"]"#),
        List(
            "jsonb[]", #"[{"a":[1,"\"",null]},[1,[2]],"x",1.50,true,null]"#,
            #"ARRAY['{"a":[1,"\"",null]}', '[1,[2]]', '"x"', '1.50', 'true', NULL]::jsonb[]"#),
        List("json[]", #"[{"a":1},[]]"#, #"ARRAY['{"a":1}', '[]']::json[]"#),
        List(
            "box[]", #"["(1,1),(0,0)","(3,3),(2,2)"]"#, "ARRAY['(1,1),(0,0)', '(3,3),(2,2)']::box[]"
        ),
        List(
            "mood[]", #"["sad","so \"so\"","NULL",null]"#,
            #"ARRAY['sad', 'so "so"', 'NULL', NULL]::mood[]"#),
        List("amount[]", "[0.10,2]", "ARRAY[0.10, 2]::amount[]"),
        List("numbers", "[1,2]", "ARRAY[1, 2]"), List("amounts", "[1,2]", "ARRAY[1, 2]::amount[]"),
        List("document[]", #"[{"a":1},[2]]"#, #"ARRAY['{"a":1}', '[2]']::document[]"#),
        List("pair[]", #"["(1,\"x,y\")"]"#, "ARRAY[ROW(1, 'x,y')]::pair[]"),
        List("jsonb", #"[1,"a",null,{"b":[]}]"#, #"'[1,"a",null,{"b":[]}]'::jsonb"#),
        List("jsonb", "[]", "'[]'::jsonb"), List("json", "[[1],{}]", "'[[1],{}]'::json"),
        List("document", "[1]", "'[1]'::jsonb"),
        List("jsonb", #"{"a":[1]}"#, #"'{"a":[1]}'::jsonb"#),
        List("text", "[1,2]", "'[1,2]'", back: #""[1,2]""#),
    ]

    private static func value(_ json: String) throws -> JSONValue {
        try JSONReader.read(Array(json.utf8))
    }

    @Test("each as its type wants it, in the table and in the answer")
    func roundTrips() async throws {
        try await withTestbed { testbed in
            try await testbed.asStranger("users", Self.types)
            for (number, list) in Self.lists.enumerated() {
                let table = "t\(number)"
                try await testbed.asStranger("users", ["CREATE TABLE \(table) (v \(list.type))"])
                // Prepared first, and then again as it is kept.
                for _ in 1...2 {
                    let answer = try await testbed.run(
                        "INSERT INTO \(table) VALUES ($1) RETURNING v", "[\(list.json)]")
                    #expect(answer.status == 201, "\(list.testDescription) \(answer.text)")
                    let back = answer.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]?["v"]
                    #expect(
                        back.map(Self.compact)
                            == Self.compact(try Self.value(list.back ?? list.json)),
                        "\(list.testDescription) \(answer.text)")
                    let id = try #require(answer.body["id"]?.string)
                    #expect(try await testbed.get("/v1/transactions/\(id)").text == answer.text)
                }
                #expect(
                    try await testbed.value(
                        "users",
                        "SELECT count(*) FROM \(table) WHERE v::text = (\(list.sql))::text") == "2",
                    "\(list.testDescription)")
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    /// The type jsonb has spaces of its own.
    private static func compact(_ value: JSONValue) -> String {
        var writer = JSONWriter()
        writer.value(value)
        return writer.text
    }

    @Test("where a statement compares with any of them, and beside whatever else a branch does")
    func branches() async throws {
        try await withTestbed { testbed in
            let answer = try await testbed.post(
                #"{"branches":[{"participant":"users","statements":["#
                    + #"{"sql":"CREATE TABLE made (id int, tags text[])"},"#
                    + #"{"sql":"INSERT INTO made SELECT n, $2 FROM unnest($1::int[]) AS n","#
                    + #""parameters":[[1,2,3],["a","b"]],"expectRows":3},"#
                    + #"{"sql":"SELECT id, tags FROM made WHERE id = ANY ($1) ORDER BY id","#
                    + #""parameters":[[3,1,null]],"expectRows":2},"#
                    + #"{"sql":"SELECT id FROM made WHERE tags @> $1","parameters":[["b"]]}]}]}"#,
                key: "lists")
            #expect(answer.status == 201, "\(answer.text)")
            let statements = answer.body["branches"]?[0]?["results"]
            let rows = statements?[2]?["rows"]
            #expect(rows?[0]?["id"] == .number("1") && rows?[1]?["id"] == .number("3"))
            #expect(rows?[0]?["tags"] == .array([.string("a"), .string("b")]))
            #expect(statements?[2]?["columns"]?[1]?["type"] == .string("text[]"))
            #expect(statements?[3]?["rows"]?[2]?["id"] == .number("3"))
            #expect(
                try await testbed.value("users", "SELECT string_agg(id::text, ' ') FROM made")
                    == "1 2 3")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test(
        "and what fits no array is refused in PostgreSQL's words, with its statement",
        arguments: [
            ("[[1,2],[3]]", "22P02"), (#"["x"]"#, "22P02"), ("{\"a\":1}", "22P02"),
            (#"["\u0000"]"#, "22021"), ("[[[[[[[1]]]]]]]", "54000"), ("[2147483648]", "22003"),
        ])
    func refusals(_ json: String, _ state: String) async throws {
        try await withTestbed(keys: ["users": "poolSize: 1"]) { testbed in
            try await testbed.asStranger("users", ["CREATE TABLE m (v int[])"])
            let insert = #"{"sql":"INSERT INTO m VALUES ($1)","parameters":[\#(json)]}"#
            for number in 1...3 {
                let answer = try await testbed.post(
                    #"{"branches":[{"participant":"users","statements":["#
                        + #"{"sql":"INSERT INTO users VALUES ('u\#(number)', 'Ada')"},"#
                        + #"\#(insert)]}]}"#, key: "k\(number)")
                #expect(answer.status == 409, "\(answer.text)")
                #expect(answer.body["sqlstate"]?.string == state, "\(answer.text)")
                #expect(answer.body["statement"]?.integer == 1, "\(answer.text)")
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    /// The rows that come before and behind the question for a type are within one limit.
    @Test("The limit of a branch's rows counts them all")
    func limits() async throws {
        try await withTestbed(
            settings: ["limits: { resultRows: 4 }"], keys: ["users": "poolSize: 1"]
        ) { testbed in
            func body(_ last: Int) -> String {
                #"{"branches":[{"participant":"users","statements":["#
                    + #"{"sql":"SELECT * FROM generate_series(1, 2)"},"#
                    + #"{"sql":"SELECT unnest($1::int[])","parameters":[[1]]},"#
                    + #"{"sql":"SELECT * FROM generate_series(1, $1::int)","parameters":[\#(last)]}]}]}"#
            }
            for (last, status) in [(2, 409), (1, 201), (2, 409)] {
                let answer = try await testbed.post(body(last))
                #expect(answer.status == status, "\(answer.text)")
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }
}
