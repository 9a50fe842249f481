import CoordinatorAPI
import Testing

@testable import tandem

@Suite("Values reach PostgreSQL and come back exactly")
struct ExactnessTests {
    @Test("numbers that no double holds, both ways, and in the table")
    func numbers() async throws {
        let amounts = [
            "9007199254740993", "-9223372036854775808", "0.123456789012345678901234567891",
            "123456789012345678901234567890.000000000000000000000000000001", "0.10", "-0.0",
            "1e-30", "1.50E+2",
        ]
        try await withTestbed { testbed in
            for (index, amount) in amounts.enumerated() {
                let answer = try await testbed.post(
                    #"{"branches":[{"participant":"orders","statements":[{"sql":"INSERT INTO "#
                        + #"orders VALUES ($1, 'u', $2) RETURNING amount, amount = $2 AS same","#
                        + #""parameters":["o\#(index)",\#(amount)]}]}]}"#)
                #expect(answer.status == 201, "\(amount)")
                let row = answer.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
                #expect(row?["same"] == .bool(true), "\(amount)")
                let stored = try await testbed.value(
                    "orders", "SELECT amount FROM orders WHERE id = 'o\(index)'")
                let expected = try await testbed.value("orders", "SELECT '\(amount)'::numeric")
                #expect(stored == expected)
                #expect(row?["amount"] == stored.map(JSONValue.number), "\(amount)")
            }
            try await testbed.expectQuiet(users: 0, orders: amounts.count)
        }
    }

    @Test("what is no number of JSON, NULL, booleans, text, json and jsonb")
    func kinds() async throws {
        try await withTestbed { testbed in
            let answer = try await testbed.run(
                "SELECT 'NaN'::numeric AS nan, '-Infinity'::float8 AS low, $1::text AS nothing, "
                    + "$2::bool AS yes, $3::text AS text, $4::jsonb AS tree, "
                    + "$5::json->'n' AS big, 9223372036854775807 AS max",
                #"[null,true,"ünï\u0007 \"quoted\" \\ 🐘",{"a":[1,{"b":null}]},"#
                    + #"{"n":12345678901234567890.10}]"#)
            #expect(answer.status == 201)
            let row = answer.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
            #expect(row?["nan"] == .string("NaN"))
            #expect(row?["low"] == .string("-Infinity"))
            #expect(row?["nothing"] == .null)
            #expect(row?["yes"] == .bool(true))
            #expect(row?["text"] == .string("ünï\u{7} \"quoted\" \\ 🐘"))
            #expect(row?["tree"]?["a"]?[1]?["b"] == .null)
            #expect(row?["big"] == .number("12345678901234567890.10"))
            #expect(row?["max"] == .number("9223372036854775807"))
        }
    }

    /// The type json keeps its author's white space, line breaks included.
    @Test("json with line breaks stays in its own branch")
    func lineBreaks() async throws {
        try await withTestbed { testbed in
            let json = #"{\"a\":\n1,\r\n\"b\":[\n2]}"#
            let answer = try await testbed.post(
                #"{"branches":[{"participant":"users","statements":[{"sql":"SELECT $1::json AS j","#
                    + #""parameters":["\#(json)"]}]},{"participant":"orders","statements":[{"#
                    + #""sql":"SELECT 7 AS seven"}]}]}"#)
            #expect(answer.status == 201)
            let branches = answer.body["branches"]
            let first = branches?[0]?["results"]?[0]?["rows"]?[0]?["j"]
            #expect(first?["a"]?.integer == 1 && first?["b"]?[0]?.integer == 2)
            #expect(
                branches?[1]?["results"]?[0]?["rows"]?[0]?["seven"]?.integer == 7)
            let id = try #require(answer.body["id"]?.string)
            #expect(try await testbed.get("/v1/transactions/\(id)").text == answer.text)
        }
    }
}
