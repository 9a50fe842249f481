import EventLoop
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("A stop keeps to its grace")
struct StoppingTests {
    @Test("work that goes on beyond it is cut off, and rolled back by the next incarnation")
    func beyondTheGrace() async throws {
        try await withTestbed(
            settings: [
                "shutdown: { graceSeconds: 0 }",
                "transactions: { maximumTimeoutMilliseconds: 3600000 }",
            ], keys: ["users": "statementTimeoutMilliseconds: 0"]
        ) { testbed in
            let client = testbed.client
            let request = Task {
                try? await client.post(
                    "/v1/transactions",
                    #"{"timeoutMilliseconds":3600000,"branches":[{"participant":"users","#
                        + #""statements":[{"sql":"INSERT INTO users VALUES ('u', 'x')"},"#
                        + #"{"sql":"\#(Testbed.waiting)"}]}]}"#)
            }
            try await testbed.untilRunning("DO $$", in: "users")
            // Returns when the process has ended; nobody lets the statement do that.
            await testbed.replica.stop()
            _ = await request.value
            try await testbed.sandbox.startReplica(1, port: client.port, isQuiet: true)
            try await testbed.until("the session of the former incarnation is gone") {
                try await testbed.value(
                    "users",
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO $$%' "
                        + "AND pid <> pg_backend_pid()") == "0"
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("a state database that does not answer holds nobody up, however often it is asked")
    func frozenState() async throws {
        try await withTestbed(settings: ["shutdown: { graceSeconds: 1 }"]) { testbed in
            let client = testbed.client
            let requests = (1...8).map { number in
                Task {
                    try? await client.post(
                        "/v1/transactions",
                        Testbed.request([
                            Testbed.branch("users", "INSERT INTO users VALUES ('\(number)', 'x')"),
                            Testbed.branch("users", Testbed.waiting),
                            Testbed.branch(
                                "orders", "INSERT INTO orders VALUES ('\(number)', 'x', 1)"),
                        ]))
                }
            }
            try await testbed.until("all are accepted") {
                try await testbed.value("state", "SELECT count(*) FROM tandem.transactions") == "8"
            }
            let state = try testbed.cluster("state")
            await state.suspend()
            try await testbed.go("users")
            let hasEnded = Lock(false)
            let replica = testbed.replica
            let stop = Task {
                await replica.stop()
                hasEnded.withLock { $0 = true }
            }
            try await testbed.until("it has ended") { hasEnded.withLock { $0 } }
            replica.process.send(SIGKILL)
            await stop.value
            await state.resume()
            for request in requests { _ = await request.value }
            try await testbed.sandbox.startReplica(1, port: client.port, isQuiet: true)
            // What was asked for before is decided, one way or the other, in both.
            try await testbed.until("every row is finished") {
                try await testbed.value(
                    "state",
                    "SELECT count(*) FROM tandem.transactions WHERE finished_at IS NULL") == "0"
            }
            let users = try await testbed.value("users", "SELECT count(*) FROM users")
            #expect(try await testbed.value("orders", "SELECT count(*) FROM orders") == users)
        }
    }
}
