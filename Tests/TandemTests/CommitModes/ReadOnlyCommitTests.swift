import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("Branches that only read", .serialized)
struct ReadOnlyCommitTests {
    @Test("one is held to the decision and never prepared; its rows come back")
    func committed() async throws {
        try await withCommitModes { testbed in
            let answer = try await testbed.post(
                Testbed.request([
                    Testbed.branch("users", "SELECT 'seen' AS id", rows: 1, readOnly: true),
                    Testbed.branch("orders", "INSERT INTO orders VALUES ('o', 'u', 1)"),
                ]))
            #expect(answer.status == 201)
            let reader = answer.body["branches"]?[0]
            #expect(reader?["commitMode"]?.string == "readOnly")
            #expect(reader?["vote"]?.string == "readOnly")
            #expect(reader?["outcome"]?.string == "committed")
            #expect(reader?["results"]?[0]?["rows"]?[0]?["id"]?.string == "seen")
            #expect(answer.body["branches"]?[1]?["commitMode"]?.string == "twoPhase")
            try await testbed.expectQuiet(users: 0, orders: 1)
            try await testbed.expectNoOpenSession(in: "users")
        }
    }

    @Test("what it expected and did not find aborts the others")
    func expectationMissed() async throws {
        try await withCommitModes { testbed in
            let answer = try await testbed.post(
                Testbed.request([
                    Testbed.branch("users", "SELECT 1 WHERE false", rows: 1, readOnly: true),
                    Testbed.branch("orders", "INSERT INTO orders VALUES ('o', 'u', 1)"),
                ]))
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/unexpected-row-count")
            #expect(answer.body["branch"]?.integer == 0)
            try await testbed.expectQuiet(users: 0, orders: 0)
            try await testbed.expectNoOpenSession(in: "users")
        }
    }

    @Test("a write in it is refused, by whatever way")
    func writes() async throws {
        try await withCommitModes { testbed in
            for sql in [
                "INSERT INTO users VALUES ('u', 'x')",
                "DO $$BEGIN PERFORM set_config('transaction_read_only', 'off', true); END$$",
                "SET \"transaction_read_only\" = off",
            ] {
                let answer = try await testbed.post(
                    Testbed.request([
                        Testbed.branch("users", sql, readOnly: true),
                        Testbed.branch("orders", "INSERT INTO orders VALUES ('o', 'u', 1)"),
                    ]))
                #expect([409, 422].contains(answer.status), "\(sql): \(answer.text)")
            }
            let refused = try await testbed.post(
                Testbed.request([
                    Testbed.branch("users", "INSERT INTO users VALUES ('u', 'x')", readOnly: true)
                ]))
            #expect(refused.type == "/problems/statement-failed")
            #expect(refused.body["sqlstate"]?.string == "25006")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("a session that is lost while it is held keeps nothing back")
    func heldSessionLost() async throws {
        try await withCommitModes { testbed in
            let client = testbed.client
            let request = Task {
                try await client.post(
                    "/v1/transactions",
                    Testbed.request([
                        Testbed.branch("users", "SELECT 1 AS held", readOnly: true),
                        Testbed.branch(
                            "orders", "INSERT INTO orders SELECT 'o', pg_sleep(2)::text, 1"),
                    ]))
            }
            try await testbed.until("the reader is held") {
                try await testbed.value(
                    "users",
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE state = "
                        + "'idle in transaction' AND application_name LIKE 'tandem-work%'") == "1"
            }
            #expect(try await request.value.status == 201)
            try await testbed.expectQuiet(users: 0, orders: 1)
        }
    }
}

extension Testbed {
    /// No working session is left with a transaction open.
    func expectNoOpenSession(in name: String) async throws {
        #expect(
            try await value(
                name,
                "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tandem-work%' "
                    + "AND xact_start IS NOT NULL") == "0")
    }
}
