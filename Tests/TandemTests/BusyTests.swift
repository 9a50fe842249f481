import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("Too much for the sessions of a participant, and branches in each other's way", .serialized)
struct BusyTests {
    private static let one = ["users": "poolSize: 1"]

    @Test("more branches than sessions: 422 that names the limit")
    func tooManyBranches() async throws {
        try await withTestbed(keys: Self.one) { testbed in
            let branch = Testbed.branch("users", "SELECT 1")
            let order = Testbed.branch("orders", "SELECT 1")
            let refused = try await testbed.post(Testbed.request([branch, order, branch]))
            #expect(refused.status == 422)
            #expect(refused.type == "/problems/too-many-branches")
            #expect(refused.body["participant"]?.string == "users")
            #expect(refused.body["branch"]?.integer == 2)
            #expect(refused.body["pointer"]?.string == "/branches/2")
            #expect(refused.body["detail"]?.string?.contains("2 branches name users") == true)
            #expect(refused.body["retryable"] == .bool(false))
        }
    }

    @Test("no session in time: 503 that says whose, and the key is unused")
    func busy() async throws {
        try await withCommitModes(keys: Self.one) { testbed in
            try await testbed.untilAvailable()
            let client = testbed.client
            let work = Testbed.request([Testbed.branch("users", Testbed.waiting)])
            let holder = Task { try await client.post("/v1/transactions", work) }
            try await testbed.untilRunning("DO", in: "users")
            let body =
                #"{"timeoutMilliseconds":300,"branches":[\#(Testbed.branch("users", "SELECT 1"))]}"#
            let refused = try await testbed.post(body, key: "later")
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/participant-busy")
            #expect(refused.body["participant"]?.string == "users")
            #expect(refused.body["outcome"]?.string == "notAccepted")
            #expect(refused.body["retryable"] == .bool(true))
            #expect(refused.field("retry-after") == "1")
            #expect(
                refused.body["detail"]?.string
                    == "No session of users became free within 300 ms: 1 of at most 1 are open, and "
                    + "all are busy. This request executed nothing; send it again later.")
            try await testbed.go("users")
            #expect(try await holder.value.status == 201)
            // Another body for the same key would be refused had the key been used.
            let calm = Testbed.request([Testbed.branch("users", "SELECT 1")])
            #expect(try await testbed.post(calm, key: "later").status == 201)
        }
    }

    @Test(
        "a branch that waits for another branch of its transaction is aborted with self-deadlock",
        arguments: [false, true])
    func blockedByItself(isHeld: Bool) async throws {
        // PostgreSQL itself would let it wait for ever.
        try await withCommitModes(keys: ["users": "lockTimeoutMilliseconds: 0"]) { testbed in
            try await testbed.untilAvailable()
            let sql =
                isHeld
                ? "SELECT pg_advisory_xact_lock(7)" : "INSERT INTO users VALUES ('u', 'x')"
            let body = Testbed.request([
                Testbed.branch("users", sql, readOnly: isHeld), Testbed.branch("users", sql),
            ])
            let aborted = try await testbed.post(body, key: "once")
            #expect(aborted.status == 409)
            #expect(aborted.type == "/problems/self-deadlock")
            #expect(aborted.body["outcome"]?.string == "aborted")
            #expect(aborted.body["retryable"] == .bool(false))
            #expect(aborted.body["statement"]?.integer == 0)
            let waiter = try #require(aborted.body["branch"]?.integer)
            #expect(
                aborted.body["detail"]?.string?.contains("branch \(1 - waiter) of the same") == true
            )
            #expect(try await testbed.post(body, key: "once").type == aborted.type)
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("a branch that waits for a stranger waits on")
    func blockedByStranger() async throws {
        try await withCommitModes(keys: ["users": "lockTimeoutMilliseconds: 0"]) { testbed in
            try await testbed.untilAvailable()
            try await testbed.asStranger(
                "users",
                ["BEGIN", "INSERT INTO users VALUES ('u', 'x')", "PREPARE TRANSACTION 's'"])
            let client = testbed.client
            let work = Testbed.request([
                Testbed.branch("users", "INSERT INTO users VALUES ('u', 'x')")
            ])
            let request = Task { try await client.post("/v1/transactions", work) }
            try await testbed.until("it was asked who waits for whom") {
                try await testbed.value(
                    "users",
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE "
                        + "'%pg_blocking_pids%' AND application_name LIKE 'tandem-read %'") == "1"
            }
            try await testbed.asStranger("users", ["ROLLBACK PREPARED 's'"])
            #expect(try await request.value.status == 201)
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }
}
