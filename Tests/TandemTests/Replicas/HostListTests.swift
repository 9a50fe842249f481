import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("A participant with several hosts")
struct HostListTests {
    @Test(
        "a former primary that answers first is passed over; of hosts that all fail each is reported"
    )
    func formerPrimary() async throws {
        try await withCommitModes(settings: ResolutionTests.quick) { testbed in
            try await testbed.untilAvailable()
            await testbed.replica.stop()
            let old = try testbed.cluster("users")
            let new = try await old.copy(as: "users-new")
            do {
                try await new.becomeStandby()
                try await new.promote()
                try await passOver(old, new, testbed)
            } catch {
                await new.remove()
                throw error
            }
            await new.remove()
        }
    }

    private func passOver(
        _ old: PostgresCluster, _ new: PostgresCluster, _ testbed: Testbed
    ) async throws {
        // The new primary is seen once, so that the other one is known to be a former one.
        testbed.sandbox.addresses["users"] = new.connectionString()
        try await testbed.startAgain()
        try await testbed.untilAvailable()
        testbed.sandbox.addresses["users"] =
            "host=127.0.0.1,127.0.0.1 port=\(old.port),\(new.port) dbname=postgres user=postgres"
        try await testbed.startAgain()
        try await testbed.untilAvailable()
        #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
        #expect(try await new.psql("SELECT count(*) FROM users") == "1")
        #expect(try await old.psql("SELECT count(*) FROM users") == "0")
        let status = try await testbed.get("/v1/participants/users").body
        #expect(status["timeline"]?.integer == 2)
        #expect(status["lastError"] == .null)
        await new.stop()
        try await testbed.until("both are reported") {
            let error = try await testbed.get("/v1/participants/users").body["lastError"]?.string
            return error?.contains("127.0.0.1:\(old.port): the server is on timeline 1") == true
                && error?.contains("127.0.0.1:\(new.port): ") == true
        }
        try await new.restart()
        try await testbed.until("the new one serves again") {
            try await testbed.commits(Testbed.pair("u2", "o2"))
        }
        #expect(try await new.psql("SELECT count(*) FROM pg_prepared_xacts") == "0")
        #expect(try await old.psql("SELECT count(*) FROM users") == "0")
    }
}
