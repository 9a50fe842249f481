import Testing

@testable import CoordinatorAPI

@Suite("The canonical form of JSON")
struct JSONCanonical {
    private func canonical(_ text: String) throws -> String {
        String(
            decoding: try CanonicalJSON.bytes(of: Array(text.utf8), depthMax: 64), as: UTF8.self)
    }

    @Test(
        "Members are sorted by the bytes of their names, and only what is needed is written",
        arguments: [
            (" [ 1.0 , 1.00 , \"\\u0061\\/\\n\" , [ ] , { } ] ", "[1.0,1.00,\"a/\\n\",[],{}]"),
            (
                "{ \"b\" : 1, \"a\" : { \"d\" : [], \"c\" : null } }",
                #"{"a":{"c":null,"d":[]},"b":1}"#
            ),
            (#"{"a":1,"b":2}"#, #"{"a":1,"b":2}"#),
            (#"{"\u0062":1,"a":true,"é":false,"B":-0}"#, #"{"B":-0,"a":true,"b":1,"é":false}"#),
            (
                #"[{"b":{},"a":[{"y":1,"x":2}]},{"b":1,"a":2}]"#,
                #"[{"a":[{"x":2,"y":1}],"b":{}},{"a":2,"b":1}]"#
            ),
            ("7", "7"), (" \"é\" ", "\"é\""),
        ])
    func forms(_ text: String, _ expected: String) throws {
        #expect(try canonical(text) == expected)
    }

    @Test("It is what a writer makes of the sorted tree")
    func trees() throws {
        var source = JSONSource(seed: 0x7A4D_0201)
        for _ in 0..<1000 {
            let value = source.value(depth: 4)
            var writer = JSONWriter()
            writer.value(value)
            var sorted = JSONWriter()
            sorted.value(value.canonical)
            #expect(try CanonicalJSON.bytes(of: writer.bytes, depthMax: 64) == sorted.bytes)
        }
    }

    @Test("A text with a fault ends in an error or a form, and never hangs")
    func faults() {
        var source = BodySource(seed: 0x7A4D_0202, hasFaults: true)
        for _ in 0..<1000 {
            _ = try? CanonicalJSON.bytes(of: source.body(), depthMax: 8)
        }
    }
}

extension JSONValue {
    /// The same value with the members of every object sorted by the bytes of their names.
    ///
    /// Written, it gives the same bytes for texts of one meaning. Numbers keep their spelling,
    /// which PostgreSQL gets: `1.0` and `1.00` are two values.
    var canonical: JSONValue {
        switch self {
        case .null, .bool, .number, .string: self
        case .array(let elements): .array(elements.map(\.canonical))
        case .object(let members):
            .object(
                members.map { JSONMember($0.name, $0.value.canonical) }.sorted {
                    $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
                })
        }
    }
}
