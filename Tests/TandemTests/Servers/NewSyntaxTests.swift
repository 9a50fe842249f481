import CoordinatorAPI
import Testing

@testable import tandem

@Suite("SQL that newer servers understand")
struct NewSyntaxTests {
    @Test("MERGE with RETURNING gives its rows and their number", .postgres(17))
    func mergeReturning() async throws {
        try await withCommitModes { testbed in
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
            let merge = """
                MERGE INTO users USING (VALUES ('u1', 'Eve'), ('u2', 'Bob')) AS new (id, name) \
                ON users.id = new.id WHEN MATCHED THEN UPDATE SET name = new.name \
                WHEN NOT MATCHED THEN INSERT VALUES (new.id, new.name) \
                RETURNING merge_action() AS action, users.id AS id
                """
            let answer = try await testbed.post(
                Testbed.request([Testbed.branch("users", merge, rows: 2)]))
            #expect(answer.status == 201, "\(answer.text)")
            let statement = answer.body["branches"]?[0]?["results"]?[0]
            #expect(statement?["commandTag"]?.string == "MERGE 2")
            #expect(statement?["rowCount"]?.integer == 2)
            let actions = (0...1).map { statement?["rows"]?[$0]?["action"]?.string ?? "" }
            #expect(actions.sorted() == ["INSERT", "UPDATE"])
            let missed = try await testbed.post(
                Testbed.request([Testbed.branch("users", merge, rows: 3)]))
            #expect(missed.status == 409)
            #expect(missed.type == "/problems/unexpected-row-count", "\(missed.text)")
            try await testbed.expectQuiet(users: 2, orders: 1)
        }
    }

    @Test("RETURNING old and new values gives both", .postgres(18))
    func returningOldAndNew() async throws {
        try await withCommitModes { testbed in
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
            let update =
                "UPDATE users SET name = 'Eve' WHERE id = 'u1' RETURNING WITH (OLD AS before, "
                + "NEW AS after) before.name AS previous, after.name AS present"
            let answer = try await testbed.post(
                Testbed.request([Testbed.branch("users", update, rows: 1)]))
            #expect(answer.status == 201, "\(answer.text)")
            let row = answer.body["branches"]?[0]?["results"]?[0]?["rows"]?[0]
            #expect(row?["previous"]?.string == "Ada")
            #expect(row?["present"]?.string == "Eve")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a deferred constraint over ranges that fails at PREPARE is named", .postgres(18))
    func deferredTemporalConstraint() async throws {
        try await withCommitModes { testbed in
            try await testbed.asStranger(
                "users",
                [
                    "CREATE TABLE stays (room int4range, days daterange, CONSTRAINT one_guest "
                        + "PRIMARY KEY (room, days WITHOUT OVERLAPS) DEFERRABLE INITIALLY DEFERRED)"
                ])
            let answer = try await testbed.post(
                Testbed.request([
                    Testbed.branch("orders", "INSERT INTO orders VALUES ('o1', 'u1', 1)"),
                    Testbed.branch(
                        "users",
                        "INSERT INTO stays VALUES ('[1,2)', '[2026-01-01,2026-01-05)'), "
                            + "('[1,2)', '[2026-01-04,2026-01-09)')"),
                ]))
            #expect(answer.status == 409)
            #expect(answer.type == "/problems/deferred-constraint-failed", "\(answer.text)")
            #expect(answer.body["sqlstate"]?.string == "23P01")
            #expect(answer.body["postgres"]?["constraint"]?.string == "one_guest")
            #expect(try await testbed.value("users", "SELECT count(*) FROM stays") == "0")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }
}
