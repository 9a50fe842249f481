import CoordinatorAPI
import Testing

@testable import tandem

@Suite("What PostgreSQL will not prepare is named, and leaves nothing in any database")
struct UnpreparableTests {
    private struct Case {
        let work: [String]
        let status: Int
        let type: String
        let cause: String

        init(_ work: [String], _ status: Int, _ type: String, _ cause: String) {
            self.work = work
            self.status = status
            self.type = type
            self.cause = cause
        }
    }

    @Test("NOTIFY, temporary tables, held cursors, exported snapshots")
    func causes() async throws {
        let late = "cannot-be-prepared"
        let cases = [
            Case(["NOTIFY news"], 422, "statement-not-allowed", "NOTIFY"),
            Case(["SELECT pg_notify('news', 'x')"], 409, late, "NOTIFY"),
            Case(["LISTEN news"], 422, "statement-not-allowed", "session"),
            Case(["CREATE TEMP TABLE t (a int)"], 409, late, "temporary objects"),
            Case(["DECLARE c CURSOR WITH HOLD FOR SELECT 1"], 409, late, "WITH HOLD"),
            Case(["SELECT pg_export_snapshot()"], 409, late, "exported snapshots"),
        ]
        try await withTestbed { testbed in
            for item in cases {
                let work = item.work.map { #"{"sql":"\#($0)"}"# }.joined(separator: ",")
                let answer = try await testbed.post(
                    #"{"branches":[{"participant":"orders","statements":[{"sql":"INSERT INTO "#
                        + #"orders VALUES ('x', 'y', 1)"}]},{"participant":"users","statements":"#
                        + #"[{"sql":"INSERT INTO users VALUES ('x', 'y')"},\#(work)]}]}"#)
                #expect(answer.status == item.status, "\(item.work)")
                #expect(answer.type == "/problems/\(item.type)", "\(item.work)")
                #expect(answer.body["branch"]?.integer == 1)
                let detail = answer.body["detail"]?.string ?? ""
                #expect(detail.contains(item.cause), "\(detail)")
                if item.status == 409 {
                    #expect(answer.body["sqlstate"]?.string == "0A000")
                    #expect(answer.body["outcome"]?.string == "aborted")
                }
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
            // The sessions that did all this are as good as new.
            #expect(try await testbed.post(Testbed.pair("u1", "o1")).status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    /// PostgreSQL prepares no transaction that shares a lock with its session.
    ///
    /// The session's goes first.
    @Test("an advisory lock of session and transaction alike hinders no PREPARE, and does not stay")
    func mixedLocks() async throws {
        try await withTestbed { testbed in
            let lock = "SELECT pg_advisory_lock(7), pg_advisory_xact_lock(7)"
            let answer = try await testbed.post(
                #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users "#
                    + #"VALUES ('u1', 'x')"},{"sql":"\#(lock)"}]}]}"#)
            #expect(answer.status == 201)
            let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            try await testbed.until("no advisory lock stays") {
                try await testbed.value("users", locks) == "0"
            }
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("a deferred constraint that fails at PREPARE aborts both branches, and is named")
    func deferredConstraint() async throws {
        try await withTestbed { testbed in
            let table =
                "CREATE TABLE lines (id int PRIMARY KEY, parent int CONSTRAINT has_parent "
                + "REFERENCES lines DEFERRABLE INITIALLY DEFERRED)"
            try await testbed.asStranger("orders", [table])
            func body(_ rows: String) -> String {
                #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users "#
                    + #"VALUES ('u1', 'x')"}]},{"participant":"orders","statements":[{"sql":"#
                    + #""INSERT INTO lines VALUES \#(rows)"}]}]}"#
            }
            let aborted = try await testbed.post(body("(1, 2)"))
            #expect(aborted.status == 409)
            #expect(aborted.type == "/problems/deferred-constraint-failed")
            #expect(aborted.body["sqlstate"]?.string == "23503")
            #expect(aborted.body["participant"]?.string == "orders")
            #expect(aborted.body["postgres"]?["constraint"]?.string == "has_parent")
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(try await testbed.value("orders", "SELECT count(*) FROM lines") == "0")
            #expect(try await testbed.post(body("(1, 2), (2, 1)")).status == 201)
            try await testbed.expectQuiet(users: 1, orders: 0)
            #expect(try await testbed.value("orders", "SELECT count(*) FROM lines") == "2")
        }
    }
}
