import Testing
import TransactionEngine

@testable import CoordinatorAPI

@Suite("Results as JSON")
struct ResultWriting {
    private typealias Column = StatementResult.Column

    private func cell(_ oid: UInt32, _ value: String?, of elements: ArrayElements? = nil) -> String
    {
        var rows = ResultRowWriter([Column(name: "v", typeOID: oid, elements: elements)])
        var writer = JSONWriter()
        rows.beginRow(in: &writer)
        rows.cell(value.map { Array($0.utf8) }, in: &writer)
        rows.endRow(in: &writer)
        return String(writer.text.dropFirst(5).dropLast())
    }

    @Test(
        "Values appear by their type",
        arguments: [
            (20, "9007199254740993", "9007199254740993"), (21, "-1", "-1"), (23, "0", "0"),
            (26, "16412", "16412"),
            (1700, "0.100000000000000000000000000001", "0.100000000000000000000000000001"),
            (1700, "-0.50", "-0.50"), (1700, "NaN", "\"NaN\""), (1700, "Infinity", "\"Infinity\""),
            (1700, "-Infinity", "\"-Infinity\""), (701, "1e+20", "1e+20"),
            (700, "-1.5e-07", "-1.5e-07"),
            (701, "NaN", "\"NaN\""), (701, "-Infinity", "\"-Infinity\""), (16, "t", "true"),
            (16, "f", "false"),
            (25, "a\"é", "\"a\\\"é\""), (25, "", "\"\""), (25, "1", "\"1\""),
            (790, "$1.00", "\"$1.00\""),
            (3802, "{\"a\": [1, 2]}", "{\"a\": [1, 2]}"), (114, " [1 ]", " [1 ]"),
            (114, "{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"),
            (114, "\"\\ud800\"", "\"\\\"\\\\ud800\\\"\""),
            (114, "{", "\"{\""), (1184, "2026-03-01 12:00:00+00", "\"2026-03-01 12:00:00+00\""),
            (999_999, "x", "\"x\""), (999_999, "{1,2}", "\"{1,2}\""),
        ] as [(UInt32, String, String)])
    func values(_ oid: UInt32, _ value: String, _ expected: String) {
        #expect(cell(oid, value) == expected)
        #expect(cell(oid, nil) == "null")
    }

    @Test(
        "Arrays are arrays, and their elements appear by their type",
        arguments: [
            (23, "{1,-2,NULL}", "[1,-2,null]"), (23, "{}", "[]"),
            (23, "{{1,2},{3,4}}", "[[1,2],[3,4]]"), (23, "[0:1]={7,8}", "[7,8]"),
            (23, "[0:0][-1:0]={{1,2}}", "[[1,2]]"),
            (1700, "{0.10,NaN}", "[0.10,\"NaN\"]"), (16, "{t,f,NULL}", "[true,false,null]"),
            (
                25, #"{a,"b,c","{d}","\"\\","",NULL,"NULL"," x"}"#,
                #"["a","b,c","{d}","\"\\","",null,"NULL"," x"]"#
            ),
            (
                3802, #"{"{\"a\": [1, {}]}","[1, 2]",3,"null",NULL}"#,
                #"[{"a": [1, {}]},[1, 2],3,null,null]"#
            ),
            (3802, #"{{1,2},{"\"x\"",true}}"#, #"[[1,2],["x",true]]"#),
            (17, #"{"\\x00ff"}"#, #"["\\x00ff"]"#),
            (1184, #"{"2026-03-01 12:00:00+00"}"#, #"["2026-03-01 12:00:00+00"]"#),
        ] as [(UInt32, String, String)])
    func arrays(_ element: UInt32, _ value: String, _ expected: String) {
        #expect(cell(999_999, value, of: ArrayElements(typeOID: element)) == expected)
    }

    @Test("A box's elements stand apart by a semicolon")
    func boxes() {
        let elements = ArrayElements(typeOID: 603, delimiter: UInt8(ascii: ";"))
        #expect(
            cell(1020, "{(1,1),(0,0);(2,2),(1,1)}", of: elements)
                == #"["(1,1),(0,0)","(2,2),(1,1)"]"#)
    }

    @Test(
        "What cannot be read as an array stays a string, as PostgreSQL has it",
        arguments: ["", "1", "{", "{1", "{1}}", #"{"a"#, "}", "{1}x", "[1:2]"])
    func noArrays(_ value: String) throws {
        let written = cell(1007, value, of: ArrayElements(typeOID: 23))
        #expect(try JSONReader.read(Array("[\(written)]".utf8))[0]?.string == value)
    }

    @Test(
        "Each column has a name of its own",
        arguments: [
            (["a", "b"], ["a", "b"]), (["a", "a", "a"], ["a", "a_2", "a_3"]),
            (["a", "a", "a_2"], ["a", "a_3", "a_2"]), (["a_2", "a", "a"], ["a_2", "a", "a_3"]),
            (["?column?", "?column?"], ["?column?", "?column?_2"]), ([], []),
            (["a", "a", "a_2", "a_2"], ["a", "a_3", "a_2", "a_2_2"]),
        ])
    func names(_ given: [String], _ expected: [String]) {
        let columns = given.map { Column(name: $0, typeOID: 25) }
        #expect(ResultRowWriter.memberNames(columns) == expected)
    }

    /// A look at every name that was given before would take minutes here.
    @Test("A column of a name that many have takes no longer", .timeLimit(.minutes(20)))
    func manyOfOneName() {
        let columns = Array(repeating: Column(name: "a", typeOID: 25), count: 30_000)
        let names = ResultRowWriter.memberNames(columns)
        #expect(names.prefix(3) == ["a", "a_2", "a_3"])
        #expect(names.last == "a_30000")
    }

    @Test("Rows are objects, and read back as such")
    func rows() throws {
        var rows = ResultRowWriter([
            Column(name: "id", typeOID: 20), Column(name: "na\"me", typeOID: 25),
            Column(name: "id", typeOID: 25),
        ])
        var writer = JSONWriter()
        writer.beginArray()
        for number in ["1", "2"] {
            rows.beginRow(in: &writer)
            rows.cell(Array(number.utf8), in: &writer)
            rows.cell(nil as [UInt8]?, in: &writer)
            rows.cell([0xFF, 0x22] as [UInt8], in: &writer)
            rows.endRow(in: &writer)
        }
        writer.endArray()
        let value = try JSONReader.read(writer.bytes)
        #expect(value[1]?["id"] == .number("2"))
        #expect(value[0]?["na\"me"] == .null)
        #expect(value[0]?["id_2"]?.string == "\u{FFFD}\"")
    }

    @Test(
        "Types have the names that PostgreSQL gives them",
        arguments: [
            (20, nil, "int8"), (1700, nil, "numeric"), (3802, nil, "jsonb"), (1009, 25, "text[]"),
            (2951, 2950, "uuid[]"), (16412, nil, "oid:16412"), (16417, 16412, "oid:16412[]"),
        ] as [(UInt32, UInt32?, String)])
    func types(_ oid: UInt32, _ element: UInt32?, _ name: String) {
        let elements = element.map { ArrayElements(typeOID: $0) }
        let column = Column(name: "v", typeOID: oid, elements: elements)
        #expect(column.typeName == name)
    }
}
