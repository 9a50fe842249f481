import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Retention removes what finished long ago, and only that")
struct RetentionTests {
    @Test("small batches, a rising low-water mark; never what is open or waits for an operator")
    func removal() async throws {
        let settings = ["transactions: { retentionHours: 1, retentionBatch: 2 }"]
        try await withTestbed(settings: settings) { testbed in
            for number in 1...5 {
                #expect(
                    try await testbed.post(Testbed.pair("u\(number)", "o\(number)")).status == 201)
            }
            try await testbed.expectQuiet(users: 5, orders: 5)
            // A sixth is decided and cannot end; a seventh ended a moment ago.
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let client = testbed.client
            let open = Task { try? await client.post("/v1/transactions", Testbed.pair("u6", "o6")) }
            try await testbed.until("the sixth is decided") {
                try await testbed.value(
                    "state", "SELECT count(*) FROM tandem.transactions WHERE decision = 'commit'")
                    == "6"
            }
            #expect(try await testbed.run("INSERT INTO users VALUES ('u7', 'x')").status == 201)
            await testbed.replica.kill()
            _ = await open.value
            let rows = try await Sandbox.rows(
                testbed.cluster("state"),
                "SELECT number FROM tandem.transactions ORDER BY number")
            let numbers = rows.compactMap { $0[0].flatMap { Int($0) } }
            try #require(numbers.count == 7)
            try await age(testbed, numbers)
            try await testbed.sandbox.startReplica(1, port: client.port, isQuiet: true)
            try await testbed.until("the old and finished ones are gone") {
                try await Sandbox.rows(
                    testbed.cluster("state"),
                    "SELECT number FROM tandem.transactions ORDER BY number"
                ).map { $0[0] } == [numbers[1], numbers[5], numbers[6]].map { String($0) }
            }
            #expect(
                try await testbed.value("state", "SELECT low_water_mark FROM tandem.installation")
                    == String(numbers[4] + 1))
            // Removed in twos: no statement took more than the batch.
            let sizes = try await Sandbox.rows(
                testbed.cluster("state"), "SELECT size FROM removals ORDER BY number")
            #expect(sizes.map { $0[0] } == ["2", "2"])
            for pid in frozen { kill(pid, SIGCONT) }
            try await testbed.until("the sixth has ended") {
                try await testbed.value("orders", "SELECT count(*) FROM orders") == "6"
            }
            try await testbed.expectQuiet(users: 7, orders: 6)
        }
    }

    @Test("an unfinished row cannot be removed by anybody, and a removed one is not found")
    func unfinishedStay() async throws {
        try await withTestbed(settings: ["transactions: { finishWaitMilliseconds: 1000 }"]) {
            testbed in
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let open = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(open.status == 202)
            await #expect(throws: (any Error).self) {
                try await testbed.asStranger("state", ["DELETE FROM tandem.transactions"])
            }
            for pid in frozen { kill(pid, SIGCONT) }
            try await testbed.expectQuiet(users: 1, orders: 1)
            try await testbed.asStranger("state", ["DELETE FROM tandem.transactions"])
            let id = try #require(open.body["id"]?.string)
            // The replica may have the end in mind until it hears that the record has landed.
            try await testbed.until("it is not found") {
                try await testbed.get("/v1/transactions/\(id)").status == 404
            }
        }
    }

    /// Makes all rows that have ended look two hours old but the last, leaves the second to an operator,
    /// and notes how many rows each statement removes.
    private func age(_ testbed: Testbed, _ numbers: [Int]) async throws {
        try await testbed.asStranger(
            "state",
            [
                """
                UPDATE tandem.transactions SET finished_at = now() - interval '2 hours'
                WHERE finished_at IS NOT NULL AND number < \(numbers[6])
                """,
                """
                UPDATE tandem.transactions
                SET state = 'needsOperator', outcomes[1] = 'heuristicHazard'
                WHERE number = \(numbers[1])
                """,
                "CREATE TABLE removals (number serial, size bigint)",
                """
                CREATE FUNCTION note_removal() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    INSERT INTO public.removals (size) SELECT count(*) FROM gone HAVING count(*) > 0;
                    RETURN NULL;
                END $$
                """,
                """
                CREATE TRIGGER note_removal AFTER DELETE ON tandem.transactions
                    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
                    EXECUTE FUNCTION note_removal()
                """,
            ])
    }
}
