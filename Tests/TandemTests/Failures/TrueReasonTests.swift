import CoordinatorAPI
import Testing

@testable import tandem

@Suite("Problems give the true reason")
struct TrueReasonTests {
    /// What the state database refuses, it has answered.
    private static func refuse(_ event: String, on table: String) -> [String] {
        [
            """
            CREATE FUNCTION public.refuse_\(table)() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE insufficient_privilege USING MESSAGE = 'the vault is shut';
            END $$
            """,
            "CREATE TRIGGER refuse BEFORE \(event) ON tandem.\(table) "
                + "FOR EACH ROW EXECUTE FUNCTION public.refuse_\(table)()",
        ]
    }

    @Test("a state database that refuses a statement is not silent; nothing is accepted")
    func refusedStatement() async throws {
        try await withTestbed { testbed in
            try await testbed.asStranger("state", Self.refuse("INSERT", on: "transactions"))
            let answer = try await testbed.post(Testbed.pair("u1", "o1"), key: "k")
            #expect(answer.status == 503)
            #expect(answer.type == "/problems/state-database-unavailable")
            #expect(answer.body["outcome"]?.string == "notAccepted")
            let detail = answer.body["detail"]?.string ?? ""
            #expect(detail.contains("refused") && detail.contains("SQLSTATE 42501"), "\(detail)")
            #expect(!answer.text.contains("vault"))
            try await testbed.expectQuiet(users: 0, orders: 0)
            try await testbed.asStranger("state", ["DROP TRIGGER refuse ON tandem.transactions"])
            #expect(try await testbed.commits(Testbed.pair("u1", "o1"), key: "k"))
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("readiness says that the heartbeat is refused, and to whom asks for more, in which words")
    func refusedHeartbeat() async throws {
        try await withTestbed(keys: ["replica": "heartbeatSeconds: 1, leaseSeconds: 600"]) {
            testbed in
            try await testbed.asStranger("state", Self.refuse("UPDATE", on: "replicas"))
            try await testbed.until("the heartbeat is refused") {
                try await testbed.get("/readyz").status == 503
            }
            let plain = try await testbed.get("/readyz")
            #expect(plain.body["detail"]?.string?.contains("SQLSTATE 42501") == true)
            #expect(!plain.text.contains("vault"))
            let verbose = try await testbed.get("/readyz?verbose")
            #expect(verbose.status == 503)
            #expect(verbose.body["detail"]?.string?.contains("the vault is shut") == true)
            try await testbed.asStranger("state", ["DROP TRIGGER refuse ON tandem.replicas"])
            try await testbed.until("it is ready again") {
                try await testbed.get("/readyz").status == 200
            }
        }
    }

    @Test("an error of megabytes makes a small answer, a small row and a small list")
    func largeErrors() async throws {
        try await withTestbed { testbed in
            let raise =
                "DO $$BEGIN RAISE EXCEPTION USING MESSAGE = repeat('m', 2097152), "
                + "DETAIL = repeat('d', 2097152), HINT = repeat('h', 2097152); END$$"
            for _ in 0..<3 {
                let answer = try await testbed.run(
                    raise, "[]", #","timeoutMilliseconds":60000"#)
                #expect(answer.status == 409)
                #expect(answer.body["sqlstate"]?.string == "P0001")
                #expect(
                    answer.body["postgres"]?["detail"]?.string?
                        .hasSuffix("d… (2097152 bytes in all)") == true)
                #expect(answer.text.utf8.count < 50_000)
                let id = try #require(answer.body["transaction"]?.string)
                let status = try await testbed.get("/v1/transactions/\(id)")
                #expect(status.body["problem"] == answer.body)
            }
            #expect(try await testbed.get("/v1/transactions").text.utf8.count < 150_000)
            let stored = "SELECT max(length(problem)) < 50000 FROM tandem.transactions"
            #expect(try await testbed.value("state", stored) == "t")
        }
    }
}
