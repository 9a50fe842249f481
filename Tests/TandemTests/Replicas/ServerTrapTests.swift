import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("Servers that are busy, or are no longer what they were", .serialized)
struct ServerTrapTests {
    @Test("55000: a gid that another session is just finishing is tried again, and then proved")
    func busy() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            let gid = try await testbed.gid(2)
            let orders = try testbed.cluster("orders")
            try await orders.requireMissingStandby()
            // By hand, and it waits for the standby while it holds the gid.
            let hand = Task { try? await orders.psql("COMMIT PREPARED '\(gid)'") }
            let waiting =
                "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'COMMIT PREP%'"
            try await testbed.until("the gid is held") {
                try await testbed.value("orders", "SELECT count(*) \(waiting)") == "1"
            }
            try await testbed.startAgain()
            let busy = try await testbed.status(id, "the status says that the gid is busy") {
                $0["branches"]?[1]?["lastError"]?.string?.contains("is busy") == true
            }
            #expect(busy["state"]?.string == "committing")
            #expect(busy["branches"]?[1]?["outcome"] == .null)
            try await orders.requireNoStandby()
            try await testbed.until("nobody waits any more") {
                try await testbed.value("orders", "SELECT count(pg_cancel_backend(pid)) \(waiting)")
                    == "0"
            }
            _ = await hand.value
            let end = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            #expect(end["branches"]?[1]?["outcome"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test(
        "a former primary, on an older timeline than the participant was seen on, gets no session")
    func formerPrimary() async throws {
        try await withCommitModes(settings: ResolutionTests.quick) { testbed in
            try await testbed.untilAvailable()
            await testbed.replica.stop()
            // As the promoted server would have left it, that took this one's place.
            func timeline(_ change: String) async throws {
                _ = try await testbed.value(
                    "state",
                    "UPDATE tandem.participants SET timeline = timeline \(change) "
                        + "WHERE name = 'users' RETURNING 1")
            }
            try await timeline("+ 1")
            try await testbed.startAgain()
            try await testbed.until("it is reported for what it is") {
                try await testbed.get("/v1/participants/users").text.contains("former primary")
            }
            let refused = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(refused.status == 503)
            #expect(refused.type == "/problems/participant-unavailable")
            try await testbed.expectQuiet(users: 0, orders: 0)
            try await timeline("- 1")
            try await testbed.untilAvailable()
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}
