import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("Servers that are busy, or are no longer what they were", .serialized)
struct ServerTrapTests {
    @Test("55000: a gid that somebody else is just ending is tried again, and then proved")
    func busy() async throws {
        try await onStage(settings: ResolutionTests.quick) { stage in
            let id = try await stage.leaveInDoubt("u1", "o1")
            let gid = try await stage.gid(2)
            let orders = try stage.cluster("orders")
            try await orders.requireMissingStandby()
            // By hand, and it waits for the standby while it holds the gid.
            let hand = Task { try? await orders.psql("COMMIT PREPARED '\(gid)'") }
            let waiting =
                "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'COMMIT PREP%'"
            try await stage.until("the gid is held") {
                try await stage.value("orders", "SELECT count(*) \(waiting)") == "1"
            }
            try await stage.startAgain()
            let busy = try await stage.status(id, "it is told that the gid is busy") {
                $0["branches"]?[1]?["lastError"]?.string?.contains("is busy") == true
            }
            #expect(busy["state"]?.string == "committing")
            #expect(busy["branches"]?[1]?["outcome"] == .null)
            try await orders.requireNoStandby()
            try await stage.until("nobody waits any more") {
                try await stage.value("orders", "SELECT count(pg_cancel_backend(pid)) \(waiting)")
                    == "0"
            }
            _ = await hand.value
            let end = try await stage.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            #expect(end["branches"]?[1]?["outcome"]?.string == "committed")
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "a former primary, on an older timeline than the participant was seen on, gets no session")
    func formerPrimary() async throws {
        try await onEndingStage(settings: ResolutionTests.quick) { stage in
            try await stage.untilAvailable()
            await stage.replica.stop()
            // As the promoted server would have left it, that took this one's place.
            func timeline(_ change: String) async throws {
                _ = try await stage.value(
                    "state",
                    "UPDATE tandem.participants SET timeline = timeline \(change) "
                        + "WHERE name = 'users' RETURNING 1")
            }
            try await timeline("+ 1")
            try await stage.startAgain()
            try await stage.until("it is told for what it is") {
                try await stage.get("/v1/participants/users").text.contains("former primary")
            }
            let refused = try await stage.post(Stage.pair("u1", "o1"))
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/participant-unavailable")
            try await stage.expectQuiet(users: 0, orders: 0)
            try await timeline("- 1")
            try await stage.untilAvailable()
            #expect(try await stage.commits(Stage.pair("u1", "o1")))
            try await stage.expectQuiet(users: 1, orders: 1)
        }
    }
}
