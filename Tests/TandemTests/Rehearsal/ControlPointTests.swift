import CoordinatorAPI
import Foundation
import Testing
import TransactionEngine

@testable import tandem

@Suite("Control points of `tandem dev`")
struct ControlPointTests {
    /// What the databases hold while a transaction is paused.
    struct Expectation: Sendable {
        let point: ControlRule.Point
        /// Of the row: the decision, and whether it is finished.
        let row: String
        /// The prepared transactions in each participant.
        let prepared: String
        /// The rows in each participant.
        let rows: String
    }

    private static let expectations = [
        Expectation(point: .accepted, row: "none", prepared: "0", rows: "0"),
        Expectation(point: .working, row: "none", prepared: "0", rows: "0"),
        Expectation(point: .prepared, row: "none", prepared: "1", rows: "0"),
        Expectation(point: .deciding, row: "none", prepared: "1", rows: "0"),
        Expectation(point: .decided, row: "commit", prepared: "1", rows: "0"),
        Expectation(point: .finishing, row: "commit", prepared: "1", rows: "0"),
        Expectation(point: .finished, row: "commit", prepared: "0", rows: "1"),
        Expectation(point: .recording, row: "commit", prepared: "0", rows: "1"),
    ]

    @Test("a transaction is paused where the point says, and goes on when the rule is removed")
    func pauses() async throws {
        #expect(Self.expectations.map(\.point) == ControlRule.Point.allCases)
        try await withRehearsal(settings: [Self.patience]) { testbed in
            let client = testbed.client
            for (number, expected) in Self.expectations.enumerated() {
                let point = expected.point
                let path = try await testbed.addPoint(#"{"point":"\#(point.rawValue)"}"#)
                async let answer = client.transact(
                    Testbed.pair("u\(number)", "o\(number)"), key: point.rawValue)
                try await testbed.untilPaused(path, count: point.isOfBranch ? 2 : 1)
                #expect(
                    try await testbed.value(
                        "state",
                        "SELECT coalesce(decision, 'none') FROM tandem.transactions "
                            + "WHERE finished_at IS NULL") == expected.row, "\(point)")
                for (name, id) in [("users", "u"), ("orders", "o")] {
                    #expect(
                        try await testbed.value(name, "SELECT count(*) FROM pg_prepared_xacts")
                            == expected.prepared, "\(point)")
                    #expect(
                        try await testbed.value(
                            name, "SELECT count(*) FROM \(name) WHERE id = '\(id)\(number)'")
                            == expected.rows, "\(point)")
                }
                #expect(try await testbed.client.delete(path).status == 204)
                #expect(try await answer.status == 201, "\(point)")
                try await testbed.expectQuiet(users: number + 1, orders: number + 1)
            }
        }
    }

    @Test("`--pause-at` pauses from the start, and the answer says where")
    func pauseAt() async throws {
        try await withRehearsal(
            settings: [Self.patience], arguments: ["--pause-at", "finishing"]
        ) { testbed in
            let client = testbed.client
            async let answer = client.transact(Testbed.pair("u", "o"))
            try await testbed.untilPaused("/dev/control-points/1", count: 2)
            let rule = try await testbed.get("/dev/control-points").body["controlPoints"]?[0]
            #expect(rule?["point"]?.string == "finishing")
            #expect(rule?["action"]?.string == "pause")
            let paused = try #require(rule?["paused"])
            let names = (0...1).compactMap { paused[$0]?["participant"]?.string }
            #expect(Set(names) == ["users", "orders"])
            #expect(try await testbed.client.delete("/dev/control-points").status == 204)
            #expect(try await answer.status == 201)
            #expect(try await testbed.get("/dev/control-points").text == #"{"controlPoints":[]}"#)
        }
    }

    @Test(
        "a rule chooses transactions by label, key and number; the others pass",
        arguments: [
            #""labels":{"order":"4711"}"#, #""idempotencyKey":"chosen""#, #""transactions":1"#,
        ])
    func chooses(_ member: String) async throws {
        try await withRehearsal(settings: [Self.patience]) { testbed in
            let client = testbed.client
            let path = try await testbed.addPoint(#"{"point":"decided",\#(member)}"#)
            let labelled = Testbed.pair("u1", "o1").dropLast() + #","labels":{"order":"4711"}}"#
            async let answer = client.transact(String(labelled), key: "chosen")
            try await testbed.untilPaused(path, count: 1)
            #expect(try await testbed.post(Testbed.pair("u2", "o2"), key: "other").status == 201)
            #expect(try await testbed.get(path).body["met"]?.integer == 1)
            #expect(try await testbed.client.delete(path).status == 204)
            #expect(try await answer.status == 201)
            try await testbed.expectQuiet(users: 2, orders: 2)
        }
    }

    @Test("a deadline or a rollback ends a pause before the vote", arguments: [true, false])
    func cancelled(byDeadline: Bool) async throws {
        try await withRehearsal { testbed in
            let client = testbed.client
            for point in ["working", "prepared"] {
                let path = try await testbed.addPoint(#"{"point":"\#(point)"}"#)
                let limit = byDeadline ? 1000 : 60_000
                let body = Testbed.pair("u", "o").dropLast() + #","timeoutMilliseconds":\#(limit)}"#
                // With a key, since the work then begins after the acceptance: without a row there is
                // nothing to roll back on request.
                async let answer = client.transact(String(body), key: point)
                try await testbed.untilPaused(path, count: 2)
                if !byDeadline {
                    let paused = try await testbed.get(path).body["paused"]?[0]
                    let id = try #require(paused?["transaction"]?.string)
                    let path = "/v1/transactions/\(id)/rollback"
                    let rollback = try Testbed.answer(await testbed.client.post(path, ""))
                    #expect(rollback.status < 300, "\(rollback.text)")
                }
                let problem = byDeadline ? "deadline-exceeded" : "rolled-back-by-request"
                #expect(try await answer.type == "/problems/\(problem)")
                try await testbed.untilPaused(path, count: 0)
                try await testbed.expectQuiet(users: 0, orders: 0)
                #expect(try await testbed.client.delete(path).status == 204)
            }
        }
    }

    @Test("another replica aborts what is paused past its deadline, and the row decides")
    func overtaken() async throws {
        try await withRehearsal(replicas: 2) { testbed in
            let path = try await testbed.addPoint(#"{"point":"deciding"}"#)
            let body = Testbed.pair("u", "o").dropLast() + #","timeoutMilliseconds":2000}"#
            let answer = try await testbed.post(String(body))
            #expect(answer.type == "/problems/outcome-unknown")
            try await testbed.until("the other replica has aborted it") {
                try await testbed.value(
                    "state", "SELECT count(*) FROM tandem.transactions WHERE decision = 'abort'")
                    == "1"
            }
            #expect(try await testbed.client.delete(path).status == 204)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test(
        "where a branch is the commit point, its COMMIT is the decision",
        arguments: [("deciding", "0"), ("decided", "1")])
    func commitPoint(point: String, rows: String) async throws {
        try await withRehearsal(settings: [Self.patience]) { testbed in
            let client = testbed.client
            let path = try await testbed.addPoint(#"{"point":"\#(point)"}"#)
            async let answer = client.transact(
                #"{"onePhase":true,"branches":[{"participant":"users","statements":"#
                    + #"[{"sql":"INSERT INTO users VALUES ('u', 'Ada')"}]}]}"#)
            try await testbed.untilPaused(path, count: 1)
            #expect(try await testbed.value("users", "SELECT count(*) FROM users") == rows)
            #expect(
                try await testbed.value(
                    "state",
                    "SELECT count(*) FROM tandem.transactions WHERE decision IS NULL") == "1")
            #expect(try await testbed.client.delete(path).status == 204)
            #expect(try await answer.status == 201)
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("a lost connection is met as in production, at every point")
    func disconnects() async throws {
        try await withRehearsal { testbed in
            let answers: [ControlRule.Point: Int] = [
                .accepted: 409, .working: 409, .prepared: 409, .deciding: 503, .decided: 503,
                .finishing: 202, .finished: 202, .recording: 201,
            ]
            for point in ControlRule.Point.allCases {
                let path = try await testbed.addPoint(
                    #"{"point":"\#(point.rawValue)","action":"disconnect"}"#)
                let answer = try await testbed.post(
                    Testbed.pair("\(point)", "\(point)"), key: point.rawValue)
                #expect(answer.status == answers[point], "\(point): \(answer.text)")
                #expect(try await testbed.client.delete(path).status == 204)
            }
            try await testbed.expectQuiet(users: 5, orders: 5)
        }
    }

    private static let patience = "transactions: { finishWaitMilliseconds: 120000 }"
}

extension LoopbackHTTP {
    /// Sends a transaction, also from a task that may not have the testbed.
    fileprivate func transact(_ body: String, key: String? = nil) async throws -> Testbed.Answer {
        try Testbed.answer(await post("/v1/transactions", body, key: key))
    }
}

extension Testbed {
    /// Adds a rule, and returns its path.
    func addPoint(_ rule: String) async throws -> String {
        let answer = try Self.answer(await client.post("/dev/control-points", rule))
        #expect(answer.status == 201, "\(answer.text)")
        return try #require(answer.field("location"))
    }

    /// Returns when a rule holds so many transactions or branches.
    func untilPaused(_ path: String, count: Int) async throws {
        try await until("\(path) holds \(count)") {
            try await get(path).text.components(separatedBy: #""since""#).count == count + 1
        }
    }
}
