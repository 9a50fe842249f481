import Testing
import TransactionEngine

@testable import CoordinatorAPI

@Suite("The body that begins a transaction")
struct TransactionRequestReading {
    private func decode(_ text: String) throws -> TransactionBody {
        try TransactionBody.decode(Array(text.utf8))
    }

    /// The issues of a body as `pointer: detail`.
    private func issues(_ text: String) -> [String] {
        do {
            _ = try TransactionBody.decode(Array(text.utf8))
            return []
        } catch {
            return error.issues.map { issue in
                guard case .body(let pointer) = issue.place else { return "not the body" }
                return "\(pointer): \(issue.detail)"
            }
        }
    }

    private func body(statement: String = #"{"sql":"SELECT 1"}"#, more: String = "") -> String {
        #"{"branches":[{"participant":"users","statements":[\#(statement)]}]\#(more)}"#
    }

    @Test("A whole request, with all that is optional")
    func whole() throws {
        let request = try decode(
            """
            { "branches": [
                { "participant": "users", "statements": [
                    { "sql": "INSERT INTO users VALUES ($1, $2)", "parameters": ["u1", "Ada"],
                      "expectRows": 1 } ] },
                { "participant": "orders", "statements": [
                    { "sql": "SELECT 1" }, { "sql": "SELECT 2", "parameters": [] } ] } ],
              "commit": "auto", "timeoutMilliseconds": 5000, "isolation": "serializable",
              "execution": "inOrder", "retries": 0,
              "labels": { "service": "checkout", "a.b/c-d_1": "" } }
            """)
        #expect(request.branches.map(\.participant) == ["users", "orders"])
        #expect(request.branches[0].work.statements[0].expectedRows == ExpectedRows(1))
        #expect(request.branches[0].work.statements[0].parameters == ["u1", "Ada"])
        #expect(request.branches[1].work.statements.map(\.sql) == ["SELECT 1", "SELECT 2"])
        #expect(request.branches[1].work.statements[0].expectedRows == nil)
        #expect(request.timeoutMilliseconds == 5000)
        #expect(request.isolation == .serializable)
        #expect(request.execution == .inOrder)
        #expect(request.retries == 0)
        #expect(request.labels == ["service": "checkout", "a.b/c-d_1": ""])
    }

    @Test("The least request: everything optional is left out")
    func least() throws {
        let request = try decode(body())
        #expect(request.timeoutMilliseconds == nil)
        #expect(request.isolation == nil)
        #expect(request.execution == .parallel)
        #expect(request.retries == nil)
        #expect(request.labels.isEmpty)
    }

    @Test("Parameters become PostgreSQL's text, numbers unchanged")
    func parameters() throws {
        let request = try decode(
            body(
                statement: #"{"sql":"x","parameters":[null,true,false,9007199254740993,"#
                    + #"0.100000000000000000000000000001,"a\"é","",[1, {"b" : "\u0000\""}],{}]}"#))
        #expect(
            request.branches[0].work.statements[0].parameters == [
                nil, "true", "false", "9007199254740993", "0.100000000000000000000000000001",
                "a\"é", "", #"[1,{"b":"\u0000\""}]"#, "{}",
            ])
    }

    @Test("A number of expected rows, or bounds for it")
    func expectedRows() throws {
        func read(_ rows: String) -> ExpectedRows? {
            try? decode(
                #"{"branches":[{"participant":"users","statements":[{"sql":"x","expectRows":"#
                    + rows + "}]}]}"
            ).branches[0].work.statements[0].expectedRows
        }
        let atLeast = try #require(read(#"{"min":1}"#))
        #expect("\(atLeast)" == "at least 1")
        #expect([0, 1, .max].map(atLeast.contains) == [false, true, true])
        let bounded = try #require(read(#"{"max":10,"min":2}"#))
        #expect("\(bounded)" == "2 to 10")
        #expect([1, 2, 10, 11].map(bounded.contains) == [false, true, true, false])
        let exact = try #require(read("3"))
        #expect("\(exact)" == "3")
        #expect([2, 3, 4].map(exact.contains) == [false, true, false])
        #expect(read(#"{"max":0}"#)?.contains(0) == true)
        for wrong in ["{}", #"{"min":2,"max":1}"#, #"{"min":-1}"#, #"{"least":1}"#, "\"1\"", "[]"] {
            #expect(read(wrong) == nil, "\(wrong)")
        }
    }

    @Test("One answer names every fault, each with its place")
    func everyFault() {
        let found = issues(
            #"{"branches":[{"participant":"Users","statements":[],"x":1},7,"#
                + #"{"statements":[{"sql":1,"parameters":{},"expectRows":-1},{"sql":""},{}]}],"#
                + #""commit":"manual","timeoutMilliseconds":0,"isolation":"chaos","labels":[],"y/z":0}"#
        )
        #expect(
            found.map { $0.prefix { $0 != ":" } } == [
                "/y~1z", "/branches/0/x", "/branches/0/participant", "/branches/0/statements",
                "/branches/1", "/branches/2", "/branches/2/statements/0/sql",
                "/branches/2/statements/0/parameters", "/branches/2/statements/0/expectRows",
                "/branches/2/statements/1/sql", "/branches/2/statements/2", "/commit",
                "/timeoutMilliseconds", "/isolation", "/labels",
            ])
    }

    @Test(
        "Wrong shapes",
        arguments: [
            ("[]", ": Expected an object, got an array."),
            ("null", ": Expected an object, got null."),
            ("{}", ": The member \"branches\" is missing."),
            (#"{"branches":[]}"#, "/branches: Expected at least 1 element, got an empty array."),
            (#"{"branches":{}}"#, "/branches: Expected an array, got an object."),
        ])
    func shapes(_ text: String, _ expected: String) {
        #expect(issues(text).first?.hasPrefix(expected) == true)
    }

    @Test("A missing member is reported at the place of the object")
    func missing() {
        #expect(
            issues(#"{"branches":[{"statements":[{}]}]}"#) == [
                "/branches/0: The member \"participant\" is missing.",
                "/branches/0/statements/0: The member \"sql\" is missing.",
            ])
    }

    @Test("NUL is refused where it would become SQL")
    func nul() {
        let found = issues(
            body(
                statement: #"{"sql":"SELECT '\u0000'","parameters":["a\u0000b",["\u0000"]]}"#,
                more: #","labels":{"a":"\u0000"}"#))
        #expect(
            found.map { $0.prefix { $0 != ":" } } == [
                "/branches/0/statements/0/sql", "/branches/0/statements/0/parameters/0",
                "/labels/a",
            ])
    }

    @Test("null is no way to leave a member out")
    func null() {
        for name in [
            "commit", "timeoutMilliseconds", "isolation", "execution", "retries", "labels",
        ] {
            #expect(issues(body(more: ",\"\(name)\":null")).count == 1, "\(name)")
        }
    }

    @Test(
        "Integers may be written in any way that JSON has for them",
        arguments: [
            ("5000", 5000), ("5000.0", 5000), ("5e3", 5000), ("50.00E+2", 5000), ("60000", 60000),
            ("0.1e1", 1), ("10000000e-6", 10),
        ])
    func integers(_ text: String, _ expected: Int) throws {
        let request = try decode(body(more: ",\"timeoutMilliseconds\":\(text)"))
        #expect(request.timeoutMilliseconds == expected)
    }

    @Test(
        "What is no integer or out of bounds",
        arguments: [
            "0", "-1", "60001", "1.5", "1e400", "1e-1", "\"5\"", "true", "99999999999999999999",
        ])
    func noIntegers(_ text: String) {
        #expect(issues(body(more: ",\"timeoutMilliseconds\":\(text)")).count == 1)
    }

    @Test(
        "An order or a number of retries that there is not",
        arguments: [
            (
                #""execution":"sequential""#,
                #"/execution: Expected one of "parallel", "inOrder", got "sequential"."#
            ),
            (#""execution":1"#, #"/execution: Expected one of "parallel", "inOrder", got 1."#),
            (#""retries":-1"#, "/retries: Expected an integer from 0 to 100, got -1."),
            (#""retries":101"#, "/retries: Expected an integer from 0 to 100, got 101."),
            (#""retries":1.5"#, "/retries: Expected an integer from 0 to 100, got 1.5."),
            (#""retries":"3""#, "/retries: Expected an integer from 0 to 100, got a string."),
        ])
    func ordersAndRetries(_ member: String, _ expected: String) {
        #expect(issues(body(more: "," + member)) == [expected])
    }

    @Test("A flood of faults is cut at a hundred")
    func flood() {
        let elements = Array(repeating: "0", count: 16).joined(separator: ",")
        let members = (0..<500).map { ",\"m\($0)\":0" }.joined()
        #expect(issues("{\"branches\":[\(elements)]\(members)}").count == 100)
    }
}

extension TransactionRequest.Work {
    /// The statements of a branch that has only statements.
    var statements: [Statement] {
        switch self {
        case .statements(let statements): statements
        case .interactive: []
        }
    }
}
