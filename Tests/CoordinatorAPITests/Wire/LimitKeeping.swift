import Testing

@testable import CoordinatorAPI

@Suite("Limits of a request")
struct LimitKeeping {
    private func issues(_ text: String, _ limits: WireLimits = WireLimits()) -> [String] {
        do {
            _ = try TransactionBody.decode(Array(text.utf8), limits: limits)
            return []
        } catch {
            return error.issues.map(\.detail)
        }
    }

    private func list(_ element: String, _ count: Int) -> String {
        "[" + Array(repeating: element, count: count).joined(separator: ",") + "]"
    }

    private func branch(_ statements: String) -> String {
        #"{"participant":"users","statements":\#(statements)}"#
    }

    private func expect(
        _ limit: String, _ maximum: Int, _ limits: WireLimits = WireLimits(),
        _ body: (Int) -> String
    ) {
        #expect(issues(body(maximum), limits).isEmpty)
        let beyond = issues(body(maximum + 1), limits)
        #expect(beyond.count == 1)
        #expect(beyond.first?.contains("at most \(maximum) ") == true)
        #expect(beyond.first?.contains("(limit \(limit))") == true)
    }

    @Test("No text is made for faults after the hundredth")
    func faults() {
        let issues = RequestIssues()
        var count = 0
        func word() -> String {
            count += 1
            return "wrong"
        }
        for _ in 0..<1000 { issues.add(.header("A"), word()) }
        #expect(issues.list.count == RequestIssues.countMax)
        #expect(count == RequestIssues.countMax)
    }

    @Test("Branches")
    func branches() {
        expect("branches", 16) { count in
            "{\"branches\":\(list(branch(#"[{"sql":"a"}]"#), count))}"
        }
    }

    @Test("Statements of a branch")
    func statements() {
        expect("statementsPerBranch", 100) { count in
            "{\"branches\":[\(branch(list(#"{"sql":"a"}"#, count)))]}"
        }
    }

    @Test("Parameters of a statement")
    func parameters() {
        expect("parametersPerStatement", 65535) { count in
            "{\"branches\":[\(branch(#"[{"sql":"a","parameters":\#(list("1", count))}]"#))]}"
        }
    }

    @Test("Characters of a statement, not bytes")
    func sql() {
        var limits = WireLimits()
        limits.sqlCharactersMax = 10
        expect("sqlCharacters", 10, limits) { count in
            let sql = String(repeating: "é", count: count)
            return "{\"branches\":[\(branch(#"[{"sql":"\#(sql)"}]"#))]}"
        }
    }

    @Test("Labels, and characters of their values")
    func labels() {
        let branches = "\"branches\":[\(branch(#"[{"sql":"a"}]"#))]"
        expect("labels", 16) { count in
            let labels = (0..<count).map { "\"l\($0)\":\"\"" }.joined(separator: ",")
            return "{\(branches),\"labels\":{\(labels)}}"
        }
        expect("labelValueCharacters", 256) { count in
            "{\(branches),\"labels\":{\"a\":\"\(String(repeating: "é", count: count))\"}}"
        }
    }

    @Test(
        "Names of labels",
        arguments: [
            ("a", true), ("9.x/y-z_A", true), (String(repeating: "n", count: 63), true),
            ("", false),
            (String(repeating: "n", count: 64), false), ("-a", false), ("a:b", false), ("é", false),
            ("a b", false), ("\u{212A}", false),
        ])
    func labelNames(_ name: String, _ isValid: Bool) {
        #expect(NameRules.isLabel(name) == isValid)
    }

    @Test(
        "Names of participants",
        arguments: [
            ("users", true), ("a", true), ("a-1-", true),
            ("a" + String(repeating: "0", count: 62), true),
            ("a" + String(repeating: "0", count: 63), false), ("", false), ("1a", false),
            ("A", false),
            ("a_b", false), ("-a", false), ("aé", false), ("a\n", false),
        ])
    func participantNames(_ name: String, _ isValid: Bool) {
        #expect(NameRules.isParticipant(name) == isValid)
    }

    @Test("Depth")
    func depth() {
        let deep = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
        let body = "{\"branches\":[\(branch(#"[{"sql":"a","parameters":[\#(deep)]}]"#))]}"
        let problem = #expect(throws: Problem.self) {
            try TransactionBody.decode(Array(body.utf8))
        }
        #expect(problem?.type == .malformedJSON)
        #expect(problem?.detail.contains("at most 64 deep") == true)
    }
}
