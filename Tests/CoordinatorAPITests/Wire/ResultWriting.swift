import Testing

@testable import CoordinatorAPI

@Suite("Results as JSON")
struct ResultWriting {
    private func cell(_ oid: UInt32, _ value: String?) -> String {
        var rows = ResultRowWriter([ResultColumn(name: "v", typeOID: oid)])
        var writer = JSONWriter()
        rows.beginRow(&writer)
        rows.cell(value.map { Array($0.utf8) }, &writer)
        rows.endRow(&writer)
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
            (1007, "{1,2}", "\"{1,2}\""), (999_999, "x", "\"x\""),
        ] as [(UInt32, String, String)])
    func values(_ oid: UInt32, _ value: String, _ expected: String) {
        #expect(cell(oid, value) == expected)
        #expect(cell(oid, nil) == "null")
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
        let columns = given.map { ResultColumn(name: $0, typeOID: 25) }
        #expect(ResultColumn.memberNames(columns) == expected)
    }

    /// A look at every name that was given before would take minutes here.
    @Test("A column of a name that many have takes no longer", .timeLimit(.minutes(1)))
    func manyOfOneName() {
        let columns = Array(repeating: ResultColumn(name: "a", typeOID: 25), count: 30_000)
        let names = ResultColumn.memberNames(columns)
        #expect(names.prefix(3) == ["a", "a_2", "a_3"])
        #expect(names.last == "a_30000")
    }

    @Test("Rows are objects, and read back as such")
    func rows() throws {
        var rows = ResultRowWriter([
            ResultColumn(name: "id", typeOID: 20), ResultColumn(name: "na\"me", typeOID: 25),
            ResultColumn(name: "id", typeOID: 25),
        ])
        var writer = JSONWriter()
        writer.beginArray()
        for number in ["1", "2"] {
            rows.beginRow(&writer)
            rows.cell(Array(number.utf8), &writer)
            rows.cell(nil as [UInt8]?, &writer)
            rows.cell([0xFF, 0x22] as [UInt8], &writer)
            rows.endRow(&writer)
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
            (20, "int8"), (1700, "numeric"), (3802, "jsonb"), (1009, "text[]"), (2951, "uuid[]"),
            (16412, "oid:16412"),
        ] as [(UInt32, String)])
    func types(_ oid: UInt32, _ name: String) {
        #expect(PostgresTypeName.name(of: oid) == name)
    }
}
