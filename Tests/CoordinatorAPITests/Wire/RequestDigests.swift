import Testing

@testable import CoordinatorAPI

@Suite("What makes two requests of one key the same")
struct RequestDigests {
    private static func body(
        parameters: String = #"[1.0, "a/é", {"x": [1, null], "y": true}]"#,
        more: String = #", "labels": {"a": "1", "b": "2"}"#
    ) -> String {
        #"{"branches": [{"participant": "users", "statements": [{"sql": "SELECT'x'", "#
            + #""parameters": "# + parameters + "}]}]" + more + "}"
    }

    private func digest(_ text: String) throws -> [UInt8] {
        let body = try TransactionBody.decode(Array(text.utf8), isDigested: true)
        return try #require(body.digest)
    }

    @Test("Without need there is none")
    func none() throws {
        #expect(try TransactionBody.decode(Array(Self.body().utf8)).digest == nil)
        #expect(try digest(Self.body()).count == 32)
    }

    @Test(
        "White space, the order of members and escapes do not count",
        arguments: [
            body().replacing(" ", with: ""), body().replacing(" ", with: " \r\n\t"),
            body(more: #", "labels": {"b": "2", "a": "1"}"#),
            #"{"labels": {"a": "1", "b": "2"}, "branches": [{"statements": [{"parameters": "#
                + #"[1.0, "a/é", {"y": true, "x": [1, null]}], "sql": "SELECT'x'"}], "#
                + #""participant": "users"}]}"#,
            body(parameters: #"[1.0, "\u0061\/\u00E9", {"\u0078": [1, null], "y": true}]"#),
        ])
    func same(_ text: String) throws {
        #expect(try digest(text) == digest(Self.body()))
    }

    @Test(
        "All else does",
        arguments: [
            body(parameters: #"[1.00, "a/é", {"x": [1, null], "y": true}]"#),
            body(parameters: #"[1, "a/é", {"x": [1, null], "y": true}]"#),
            body(parameters: #"["1.0", "a/é", {"x": [1, null], "y": true}]"#),
            body(parameters: #"["a/é", 1.0, {"x": [1, null], "y": true}]"#),
            body(parameters: #"[1.0, "a/é ", {"x": [1, null], "y": true}]"#),
            body(parameters: #"[1.0, "a/e\u0301", {"x": [1, null], "y": true}]"#),
            body(parameters: #"[1.0, "a/é", {"x": [null, 1], "y": true}]"#),
            body(parameters: #"[1.0, "a/é", {"x": [1, null], "y": "true"}]"#),
            body(parameters: #"[1.0, "a/é", "{\"x\":[1,null],\"y\":true}"]"#),
            body(more: #", "labels": {"a": "2", "b": "1"}"#), body(more: ""),
            body(more: #", "labels": {"a": "1", "b": "2"}, "onePhase": false"#),
            body(more: #", "labels": {"a": "1", "b": "2"}, "execution": "parallel""#),
            body(more: #", "labels": {"a": "1", "b": "2"}, "retries": 10"#),
        ])
    func different(_ text: String) throws {
        #expect(try digest(text) != digest(Self.body()))
    }
}
