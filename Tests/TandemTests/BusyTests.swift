import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("Too much for the sessions of a participant, and branches in each other's way", .serialized)
struct BusyTests {
    private static let one = ["users": "poolSize: 1"]

    @Test("more branches than sessions: 422 that names the limit")
    func tooManyBranches() async throws {
        try await onStage(keys: Self.one) { stage in
            let branch = Stage.branch("users", "SELECT 1")
            let order = Stage.branch("orders", "SELECT 1")
            let refused = try await stage.post(Stage.request([branch, order, branch]))
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
        try await onEndingStage(keys: Self.one) { stage in
            try await stage.untilAvailable()
            let client = stage.client
            let work = Stage.request([Stage.branch("users", Stage.waiting)])
            let holder = Task { try await client.post("/v1/transactions", work) }
            try await stage.untilRunning("DO", in: "users")
            let body =
                #"{"timeoutMilliseconds":300,"branches":[\#(Stage.branch("users", "SELECT 1"))]}"#
            let refused = try await stage.post(body, key: "later")
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/participant-busy")
            #expect(refused.body["participant"]?.string == "users")
            #expect(refused.body["outcome"]?.string == "notAccepted")
            #expect(refused.body["retryable"] == .bool(true))
            #expect(refused.field("retry-after") == "1")
            #expect(
                refused.body["detail"]?.string
                    == "No session of users became free within 300 ms: 1 of at most 1 are open, and "
                    + "all are busy.")
            try await stage.go("users")
            #expect(try await holder.value.status == 201)
            // Another body for the same key would be refused had the key been used.
            let calm = Stage.request([Stage.branch("users", "SELECT 1")])
            #expect(try await stage.post(calm, key: "later").status == 201)
        }
    }

    @Test(
        "a branch that waits for another branch of its transaction is aborted, and told why",
        arguments: [false, true])
    func blockedByItself(isHeld: Bool) async throws {
        // PostgreSQL itself would let it wait for ever.
        try await onEndingStage(keys: ["users": "lockTimeoutMilliseconds: 0"]) { stage in
            try await stage.untilAvailable()
            let sql =
                isHeld
                ? "SELECT pg_advisory_xact_lock(7)" : "INSERT INTO users VALUES ('u', 'x')"
            let body = Stage.request([
                Stage.branch("users", sql, readOnly: isHeld), Stage.branch("users", sql),
            ])
            let aborted = try await stage.post(body, key: "once")
            #expect(aborted.status == 409)
            #expect(aborted.type == "/problems/blocked-by-itself")
            #expect(aborted.body["outcome"]?.string == "aborted")
            #expect(aborted.body["retryable"] == .bool(false))
            #expect(aborted.body["statement"]?.integer == 0)
            let waiter = try #require(aborted.body["branch"]?.integer)
            #expect(
                aborted.body["detail"]?.string?.contains("branch \(1 - waiter) of the same") == true
            )
            #expect(try await stage.post(body, key: "once").type == aborted.type)
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("a branch that waits for a stranger waits on")
    func blockedByStranger() async throws {
        try await onEndingStage(keys: ["users": "lockTimeoutMilliseconds: 0"]) { stage in
            try await stage.untilAvailable()
            try await stage.asStranger(
                "users",
                ["BEGIN", "INSERT INTO users VALUES ('u', 'x')", "PREPARE TRANSACTION 's'"])
            let client = stage.client
            let work = Stage.request([
                Stage.branch("users", "INSERT INTO users VALUES ('u', 'x')")
            ])
            let request = Task { try await client.post("/v1/transactions", work) }
            try await stage.until("it was asked who waits for whom") {
                try await stage.value(
                    "users",
                    "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle' AND query LIKE "
                        + "'%pg_blocking_pids%' AND application_name LIKE 'tandem-look %'") == "1"
            }
            try await stage.asStranger("users", ["ROLLBACK PREPARED 's'"])
            #expect(try await request.value.status == 201)
            try await stage.expectQuiet(users: 1, orders: 0)
        }
    }
}
