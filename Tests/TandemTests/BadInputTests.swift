import CoordinatorAPI
import Foundation
import Testing

@testable import tandem

@Suite("Bad input gets a clear problem and changes nothing")
struct BadInputTests {
    @Test("everything that can be wrong with a request")
    func refused() async throws {
        try await withTestbed { testbed in
            let branch = #""branches":[{"participant":"users","statements":[{"sql":"SELECT 1"}]}]"#
            let cases: [(body: String, status: Int, type: String)] = [
                ("{", 400, "malformed-json"),
                (#"{"branches":[],"branches":[]}"#, 400, "malformed-json"),
                (#"{"branches":[]}"#, 400, "invalid-request"),
                (#"{\#(branch),"nonsense":1}"#, 400, "invalid-request"),
                (#"{\#(branch),"timeoutMilliseconds":0}"#, 400, "invalid-request"),
                (
                    #"{"branches":[{"participant":"nobody","statements":[{"sql":"SELECT 1"}]}]}"#,
                    422, "unknown-participant"
                ),
                (branches("COMMIT"), 422, "statement-not-allowed"),
                (branches("; /* x */ ROLLBACK"), 422, "statement-not-allowed"),
                (branches("PREPARE TRANSACTION 'x'"), 422, "statement-not-allowed"),
                (branches("SELECT 1; SELECT 2"), 422, "statement-not-allowed"),
                (branches("SELECT $1::text"), 422, "statement-not-allowed"),
                (branches("SELECT '\\u0000'"), 400, "invalid-request"),
            ]
            for item in cases {
                let answer = try await testbed.post(item.body)
                #expect(answer.status == item.status, "\(item.body)")
                #expect(answer.type == "/problems/\(item.type)", "\(item.body)")
            }
            let untyped = try await testbed.client.send(
                "POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                    + "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
            #expect(untyped.status == 415)
            let rows = try await testbed.value("state", "SELECT count(*) FROM tandem.transactions")
            #expect(rows == "0")
        }
    }

    @Test("an error of PostgreSQL aborts the transaction and is reported")
    func abortedByServer() async throws {
        try await withTestbed(settings: ["limits: { resultRows: 10 }"]) { testbed in
            let cases: [(sql: String, type: String)] = [
                ("SELECT 1/0", "statement-failed"),
                ("CREATE TEMP TABLE t (a int)", "cannot-be-prepared"),
                ("SELECT generate_series(1, 100000000)", "result-too-large"),
            ]
            for item in cases {
                let answer = try await testbed.post(
                    #"{"branches":[{"participant":"orders","statements":[{"sql":"INSERT INTO orders "#
                        + #"VALUES ('x', 'y', 1)"}]},{"participant":"users","statements":[{"sql":"#
                        + #""\#(item.sql)"}]}]}"#)
                #expect(answer.status == 409, "\(item.sql)")
                #expect(answer.type == "/problems/\(item.type)", "\(item.sql)")
                #expect(answer.body["outcome"]?.string == "aborted")
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("a missed expectation rolls a prepared branch back")
    func expectRows() async throws {
        try await withTestbed { testbed in
            let answer = try await testbed.post(
                #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users "#
                    + #"VALUES ('a', 'b')"}]},{"participant":"orders","statements":[{"sql":"#
                    + #""UPDATE orders SET amount = 1","expectRows":1}]}]}"#)
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/unexpected-row-count")
            let bounded = try await testbed.post(
                #"{"branches":[{"participant":"orders","statements":[{"sql":"#
                    + #""UPDATE orders SET amount = 1","expectRows":{"min":1,"max":10}}]}]}"#)
            #expect(bounded.body["detail"]?.string?.contains("expected 1 to 10 ") == true)
            let allowed = try await testbed.post(
                #"{"branches":[{"participant":"orders","statements":[{"sql":"#
                    + #""UPDATE orders SET amount = 1","expectRows":{"max":10}}]}]}"#)
            #expect(allowed.status == 201)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("the deadline ends the SQL in the middle")
    func deadline() async throws {
        try await withTestbed { testbed in
            let answer = try await testbed.run(
                "INSERT INTO users SELECT 'z', pg_sleep(60)::text", "[]",
                #","timeoutMilliseconds":300"#)
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/deadline-exceeded")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    private func branches(_ sql: String) -> String {
        #"{"branches":[{"participant":"users","statements":[{"sql":"\#(sql)"}]}]}"#
    }
}
