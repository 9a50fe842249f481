import CoordinatorAPI
import Glibc
import HTTPTypes
import PostgresClusters
import Testing

@testable import tandem

@Suite("The webhook notifies operators of what needs them, and when it is over")
struct WebhookTests {
    @Test("a transaction that needs an operator, once over two replicas")
    func needsOperator() async throws {
        try await withReceiver { receiver in
            try await withReplicas(settings: ResolutionTests.quick + [receiver.settings()]) { two in
                let testbed = two.testbed
                let request = HeuristicTests.send(HeuristicTests.failing(), testbed.client)
                let gid = try await HeuristicTests.gid(in: "users", testbed)
                try await testbed.untilRunning("DO", in: "orders")
                _ = try await testbed.cluster("users").psql("COMMIT PREPARED '\(gid)'")
                try await testbed.go("orders")
                let id = try #require(try await request.value.body["transaction"]?.string)

                let opened = try await receiver.message(
                    "transaction.needs-operator.opened", testbed)
                #expect(opened.subject == id)
                #expect(
                    opened.body["data"]?["link"]?.string
                        == "https://tandem.internal/transactions/\(id)")
                #expect(opened.body["data"]?["resolvedAt"] == .null)
                #expect(opened.body["data"]?["description"]?.string?.contains(id) == true)
                #expect(opened.body["data"]?["advice"]?.string?.isEmpty == false)

                let tag = "If-Match: " + (try await testbed.entityTag(id))
                let resolved = try await Testbed.answer(
                    testbed.post(
                        "/v1/transactions/\(id)/resolution",
                        ResolutionTests.body(0, "committed", force: true), fields: [tag]))
                #expect(resolved.status == 200, "\(resolved.text)")
                let over = try await receiver.message(
                    "transaction.needs-operator.resolved", testbed)
                #expect(over.subject == id)
                #expect(over.body["data"]?["since"] == opened.body["data"]?["since"])
                #expect(over.body["data"]?["resolvedAt"]?.string != nil)
                // Nothing else has happened.
                #expect(Set(receiver.accepted.map(\.id)).count == 2)
                #expect(
                    try await testbed.value("state", "SELECT count(*) FROM tandem.operator_alerts")
                        == "1")
            }
        }
    }

    @Test("a transaction in doubt, and the participant that would know, once over two replicas")
    func inDoubt() async throws {
        try await withReceiver { receiver in
            let settings = [
                receiver.settings(lostSeconds: 1),
                "transactions: { recoveryIntervalMilliseconds: 200, defaultTimeoutMilliseconds: 1000 }",
            ]
            try await withReplicas(settings: settings, keys: JournalCommitTests.keys) { two in
                let testbed = two.testbed
                try await testbed.untilAvailable()
                let crashing = try await testbed.restarted(failing: "commitLocally.before.0=kill")
                try await crashing.untilAvailable()
                _ = try? await crashing.client.post(
                    "/v1/transactions", Testbed.journalled("a"), key: "k")
                #expect(await crashing.replica.process.exitStatus() == .signalled(SIGKILL))
                await (try testbed.cluster("users")).kill()
                try await testbed.nextIncarnation()

                let doubt = try await receiver.message("transaction.in-doubt.opened", testbed)
                let lost = try await receiver.message(
                    "participant.lost.opened", about: "users", testbed)
                #expect(lost.subject == "users")
                #expect(
                    lost.body["data"]?["link"]?.string
                        == "https://tandem.internal/participants/users")

                try await (try testbed.cluster("users")).restart()
                let over = try await receiver.message("transaction.in-doubt.resolved", testbed)
                #expect(over.subject == doubt.subject)
                let back = try await receiver.message(
                    "participant.lost.resolved", about: "users", testbed)
                #expect(back.subject == "users")
                let list = try await testbed.get("/v1/transactions")
                #expect(list.body["transactions"]?[0]?["id"]?.string == doubt.subject)
                #expect(list.body["transactions"]?[0]?["decision"]?.string == "abort")
            }
        }
    }

    @Test("a quarantine, to a receiver that fails at first, and redirects, over a restart")
    func retried() async throws {
        try await withReceiver(answering: .internalServerError) { receiver in
            try await withTestbed(settings: [receiver.settings(timeoutSeconds: 1, retrySeconds: 2)])
            { testbed in
                try await testbed.asStranger(
                    "state",
                    [
                        "UPDATE tandem.installation SET quarantined_below = 1, "
                            + "quarantine_reason = 'another server', quarantined_at = now()"
                    ])
                try await testbed.until("it was tried twice") { receiver.rejected.count >= 2 }
                receiver.answer(.found)
                let before = receiver.rejected.count
                try await testbed.until("it was redirected") {
                    receiver.rejected.count > before
                }
                let metrics = try await testbed.client.get("/metrics").body
                #expect(metrics.contains("\ntandem_webhook_messages_total{result=\"failed\"} "))
                #expect(
                    metrics.contains("\ntandem_webhook_messages_total{result=\"accepted\"} 0\n"))
                await testbed.replica.stop()
                receiver.answer(.ok)
                try await testbed.sandbox.startReplica(
                    1, port: testbed.client.port, isQuiet: true)
                let opened = try await receiver.message(
                    "state-database.quarantined.opened", testbed)
                #expect(opened.id == receiver.rejected.first?.id)
                #expect(
                    opened.body["data"]?["description"]?.string?.contains("another server") == true)
                try await testbed.asStranger(
                    "state", ["UPDATE tandem.installation SET quarantined_below = 0"])
                let over = try await receiver.message(
                    "state-database.quarantined.resolved", testbed)
                #expect(over.subject == opened.subject)
                #expect(Set(receiver.rejected.map(\.id)).count == 1)
                try await testbed.until("nothing is left to deliver") {
                    try await testbed.value(
                        "state",
                        "SELECT count(*) FROM tandem.operator_alerts WHERE resolved_delivered_at IS NULL"
                    )
                        == "0"
                }
                #expect(!testbed.log(of: 1).contains(WebhookReceiver.secret))
            }
        }
    }

    @Test("a prepared transaction that tandem may not end")
    func preparedNeedsOperator() async throws {
        try await withReceiver { receiver in
            try await withTestbed(settings: ResolutionTests.quick + [receiver.settings()]) {
                testbed in
                let users = try testbed.cluster("users")
                let installation = try #require(
                    try await testbed.value("state", "SELECT id FROM tandem.installation"))
                let gid = "tandem:\(installation):900001-00000000000000ab:0"
                _ = try await users.psql("CREATE ROLE other SUPERUSER")
                _ = try await users.psql(LeftToOperatorTests.prepare(gid, "r", as: "other"))
                let opened = try await receiver.message("prepared.needs-operator.opened", testbed)
                #expect(opened.subject == "users/\(gid)")
                #expect(
                    opened.body["data"]?["description"]?.string?.contains("\"other\"") == true)
                _ = try await users.psql("ROLLBACK PREPARED '\(gid)'")
                let over = try await receiver.message("prepared.needs-operator.resolved", testbed)
                #expect(over.subject == opened.subject)
            }
        }
    }
}
