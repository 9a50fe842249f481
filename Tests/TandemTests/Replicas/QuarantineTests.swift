import CoordinatorAPI
import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters
import PostgresTransactions
import Testing

@testable import tandem

@Suite("The state database changes its timeline", .serialized)
struct QuarantineTests {
    /// An undecided row of a dead incarnation, with one branch prepared, and the change of timeline.
    private func leaveUndecided(_ testbed: Testbed) async throws -> String {
        let client = testbed.client
        let request = Task {
            try? await client.post(
                "/v1/transactions",
                #"{"timeoutMilliseconds":60000,"branches":[{"participant":"users","#
                    + #""statements":[{"sql":"INSERT INTO users "#
                    + #"VALUES ('a', 'b')"}]},{"participant":"orders","statements":[{"sql":"#
                    + #""SELECT pg_sleep(600)"}]}]}"#)
        }
        try await testbed.until("one branch is prepared, and the row is there") {
            let prepared = try await testbed.value(
                "users", "SELECT count(*) FROM pg_prepared_xacts")
            let rows = try await testbed.value("state", "SELECT count(*) FROM tandem.transactions")
            return prepared == "1" && rows == "1"
        }
        await testbed.replica.kill()
        _ = await request.value
        try await testbed.cluster("state").becomeStandby()
        try await testbed.cluster("state").promote()
        let id = try await testbed.value(
            "state",
            "SELECT number || '-' || lpad(to_hex(salt), 16, '0') FROM tandem.transactions")
        return try #require(id)
    }

    @Test("undecided rows and rowless gids are held and reported until an operator releases them")
    func held() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let id = try await leaveUndecided(testbed)
            let installation = try await testbed.value(
                "state", "SELECT id FROM tandem.installation")
            let rowless = "tandem:\(try #require(installation)):900001-00000000000000ab:0"
            _ = try await testbed.cluster("orders").psql(
                "BEGIN; INSERT INTO orders VALUES ('x'); PREPARE TRANSACTION '\(rowless)'")
            try await testbed.startAgain()
            try await testbed.until("the rowless one is reported") {
                try await testbed.get("/v1/participants/orders").body["unresolved"]?[0]?["gid"]?
                    .string
                    == rowless
            }
            let status = try await testbed.get("/v1/transactions/\(id)")
            #expect(status.body["held"] == .bool(true))
            #expect(status.body["decision"] == .null)
            let ready = try await testbed.get("/readyz?verbose")
            #expect(ready.status == 200)
            #expect(ready.text.contains("rows and decisions may be lost"))
            let refused = try await testbed.post(
                "/v1/transactions/\(id)/rollback", "", fields: [])
            #expect(refused.status == 409)
            try await testbed.untilAvailable()
            // New work goes on, with numbers that the former server cannot have handed out.
            #expect(try await testbed.run("INSERT INTO users VALUES ('u2', 'x')").status == 201)
            #expect(
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "1")
            #expect(
                try await testbed.value("orders", "SELECT count(*) FROM pg_prepared_xacts") == "1")
            let address = try testbed.cluster("state").connectionString()
            let isReleased = try await Self.release(address)
            #expect(isReleased)
            try await testbed.until("the row is aborted, and both gids are gone") {
                let one = try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts")
                let two = try await testbed.value(
                    "orders", "SELECT count(*) FROM pg_prepared_xacts")
                return one == "0" && two == "0"
            }
            try await testbed.expectQuiet(users: 1, orders: 0)
            #expect(
                try await testbed.value("state", "SELECT actor FROM tandem.resolutions") == "ada")
        }
    }

    @Test("synchronouslyReplicated lifts it for a promotion")
    func promotion() async throws {
        let keys = ["state": "synchronouslyReplicated: true"]
        try await withTestbed(settings: ResolutionTests.quick, keys: keys) { testbed in
            let id = try await leaveUndecided(testbed)
            try await testbed.startAgain()
            let ended = try await testbed.status(id, "it is aborted") {
                $0["state"]?.string == "aborted"
            }
            #expect(ended["problem"]?["retryable"] == .bool(true), "it was not the work's fault")
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("but never for another system")
    func restore() async throws {
        let keys = ["state": "synchronouslyReplicated: true"]
        try await withTestbed(settings: ResolutionTests.quick, keys: keys) { testbed in
            await testbed.replica.kill()
            // What a dump that was restored into another cluster looks like.
            _ = try await testbed.cluster("state").psql(
                "UPDATE tandem.installation SET system_identifier = '1'")
            try await testbed.startAgain()
            let ready = try await testbed.get("/readyz?verbose")
            #expect(ready.text.contains("rows and decisions may be lost"))
        }
    }

    @LoopActor
    private static func release(_ conninfo: String) async throws -> Bool {
        let options = try ConnectionOptions(conninfo: conninfo)
        let connection = try await PostgresConnection.connect(
            options, timeout: .seconds(30), loop: .shared)
        defer { connection.close() }
        return try await Quarantine.release(
            connection, actor: "ada", reason: "nothing was lost", timeout: .seconds(30))
    }
}
