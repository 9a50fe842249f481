import Testing

@testable import tandem

@Suite("A stop keeps to its grace")
struct StoppingTests {
    @Test("work that goes on beyond it is cut off, and rolled back by the next life")
    func beyondTheGrace() async throws {
        try await onStage(
            settings: [
                "shutdown: { graceSeconds: 0 }",
                "transactions: { maximumTimeoutMilliseconds: 3600000 }",
            ], keys: ["users": "statementTimeoutMilliseconds: 0"]
        ) { stage in
            let client = stage.client
            let request = Task {
                try? await client.post(
                    "/v1/transactions",
                    #"{"timeoutMilliseconds":3600000,"branches":[{"participant":"users","#
                        + #""statements":[{"sql":"INSERT INTO users VALUES ('u', 'x')"},"#
                        + #"{"sql":"\#(Stage.waiting)"}]}]}"#)
            }
            try await stage.untilRunning("DO $$", in: "users")
            // Returns when the process has ended; nobody lets the statement do that.
            await stage.replica.stop()
            _ = await request.value
            try await stage.sandbox.startReplica(1, port: client.port, isQuiet: true)
            try await stage.until("the session of the former life is gone") {
                try await stage.value(
                    "users",
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO $$%' "
                        + "AND pid <> pg_backend_pid()") == "0"
            }
            try await stage.expectQuiet(users: 0, orders: 0)
        }
    }
}
