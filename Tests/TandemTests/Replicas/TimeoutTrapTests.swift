import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("Timeouts of a role do not reach the sessions that finish", .serialized)
struct TimeoutTrapTests {
    @Test("a COMMIT PREPARED that waits for a standby outlives the role's statement_timeout")
    func commitPrepared() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { first in
            // A role of its own, so that the timeout is not the test's as well.
            let orders = try first.cluster("orders")
            _ = try await orders.psql("CREATE ROLE app SUPERUSER LOGIN")
            first.sandbox.addresses["orders"] = orders.connectionString(user: "app")
            await first.replica.stop()
            let replica = try await first.sandbox.startReplica(
                1, port: first.client.port, isQuiet: true)
            let testbed = Testbed(sandbox: first.sandbox, client: first.client, replica: replica)
            let id = try await testbed.leaveInDoubt("u1", "o1")
            _ = try await orders.psql("ALTER ROLE app SET statement_timeout = '300ms'")
            try await orders.requireMissingStandby()
            try await testbed.startAgain()
            try await testbed.until("it has waited for longer than that") {
                try await testbed.value(
                    "orders",
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND "
                        + "query LIKE 'COMMIT PREPARED%' AND "
                        + "now() - query_start > interval '1 second'") == "1"
            }
            try await orders.requireNoStandby()
            try await testbed.until("nobody waits any more") {
                try await testbed.value(
                    "orders",
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                        + "WHERE wait_event = 'SyncRep'") == "0"
            }
            _ = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}
