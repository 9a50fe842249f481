import CoordinatorAPI
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("What is late is seen at every replica, and can be tried again at any")
struct OverviewTests {
    /// A queue of an overview.
    private func queue(_ name: String, in overview: JSONValue) throws -> JSONValue {
        guard case .array(let queues)? = overview["queues"] else {
            Issue.record("expected queues")
            return .null
        }
        return try #require(queues.first { $0["queue"]?.string == name })
    }

    @Test("a commit that waits for a participant: its queue, its next attempt, and a retry")
    func retrying() async throws {
        let settings = ["transactions: { finishWaitMilliseconds: 1000 }"]
        try await withReplicas(settings: settings) { replicas in
            let testbed = replicas.testbed
            try await testbed.untilAvailable()
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let begun = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(begun.status == 202)
            let id = try #require(begun.body["id"]?.string)
            await (try testbed.cluster("orders")).kill()
            for pid in frozen { kill(pid, SIGKILL) }

            for client in [replicas.one, replicas.two] {
                try await testbed.until("it is in the queue") {
                    let overview = try Testbed.answer(await client.get("/v1/overview")).body
                    let retrying = try queue("retrying", in: overview)
                    return retrying["count"] == .number("1")
                        && retrying["oldest"]?["id"]?.string == id
                        && retrying["countIsExact"] == .bool(true)
                }
                let list = try Testbed.answer(
                    await client.get("/v1/transactions?queue=retrying&order=oldest"))
                #expect(list.body["transactions"]?[0]?["id"]?.string == id)
                #expect(list.body["nextCursor"] == .null)
                for other in ["running", "inDoubt", "needsOperator"] {
                    let none = try Testbed.answer(
                        await client.get("/v1/transactions?queue=\(other)"))
                    #expect(none.body["transactions"] == .array([]))
                }
                let answer = try await replicas.postJSON(client, "/v1/transactions/\(id)/retry")
                #expect(answer.status == 202)
                #expect(answer.body["id"]?.string == id)
            }
            // Only the replica that coordinates it knows when it is tried next.
            try await testbed.until("it waits for its next attempt") {
                try await testbed.get("/v1/transactions/\(id)").body["branches"]?[1]?[
                    "nextAttemptAt"]?.string != nil
            }
            let elsewhere = try Testbed.answer(await replicas.two.get("/v1/transactions/\(id)"))
            #expect(elsewhere.body["branches"]?[1]?["nextAttemptAt"] == .null)

            try await testbed.cluster("orders").restart()
            let status = try await testbed.get("/v1/transactions/\(id)?waitSeconds=30")
            #expect(status.body["state"]?.string == "committed")
            #expect(status.body["branches"]?[1]?["nextAttemptAt"] == .null)
            for client in [replicas.one, replicas.two] {
                let answer = try await replicas.postJSON(client, "/v1/transactions/\(id)/retry")
                #expect(answer.status == 409)
                #expect(answer.type == "/problems/conflict")
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("the replicas, one of which was asked, and one that has stopped")
    func replicas() async throws {
        try await withReplicas { replicas in
            let testbed = replicas.testbed
            func expect(_ states: [String], own: [Bool], at client: LoopbackHTTP) async throws {
                let body = try Testbed.answer(await client.get("/v1/replicas")).body
                guard case .array(let found)? = body["replicas"] else {
                    Issue.record("expected replicas")
                    return
                }
                #expect(found.map { $0["name"]?.string } == ["replica-1", "replica-2"])
                #expect(found.map { $0["state"]?.string } == states)
                #expect(found.map { $0["isThisReplica"] } == own.map { .bool($0) })
                #expect(found[0]["participants"]?[0]?.string == "users")
                #expect(found[0]["leaseExpiresAt"]?.string != nil)
            }
            try await expect(["live", "live"], own: [true, false], at: replicas.one)
            try await expect(["live", "live"], own: [false, true], at: replicas.two)
            await replicas.second.stop()
            try await expect(["live", "ended"], own: [true, false], at: replicas.one)
            let overview = try await testbed.get("/v1/overview").body
            #expect(overview["replica"]?.string == "replica-1")
            #expect(overview["replicas"]?[1]?["state"]?.string == "ended")
            #expect(overview["participants"]?[1]?["name"]?.string == "orders")
        }
    }

    @Test("what is asked for wrongly, or cannot be read, is a problem")
    func problems() async throws {
        try await withReplicas { replicas in
            let testbed = replicas.testbed
            for path in [
                "/v1/overview?x=1", "/v1/replicas?x=1", "/v1/participants/users/prepared?x=1",
                "/v1/transactions?queue=late", "/v1/transactions?order=up",
            ] {
                let answer = try await testbed.get(path)
                #expect(answer.status == 400, "\(path)")
                #expect(answer.type == "/problems/invalid-request")
            }
            #expect(try await testbed.get("/v1/participants/nobody/prepared").status == 404)
            let missing = "/v1/transactions/999999-0000000000000001/retry"
            #expect(try await replicas.postJSON(replicas.one, missing).status == 404)
            #expect(
                try await replicas.postJSON(replicas.one, missing + "?x=1").status == 400)

            let request = try await replicas.startEndless(timeoutMilliseconds: 60000)
            let id = try await replicas.newestID()
            let overview = try await testbed.get("/v1/overview").body
            #expect(try queue("running", in: overview)["oldest"]?["id"]?.string == id)
            for client in [replicas.one, replicas.two] {
                let undecided = try await replicas.postJSON(client, "/v1/transactions/\(id)/retry")
                #expect(undecided.status == 409)
            }
            _ = try await replicas.postJSON(replicas.one, "/v1/transactions/\(id)/rollback")
            _ = try await request.value

            try await testbed.cluster("orders").stop(.immediate)
            try await testbed.until("the participant is gone") {
                let answer = try await testbed.get("/v1/participants/orders/prepared")
                return answer.status == 503 && answer.type == "/problems/participant-unavailable"
            }
            try await testbed.cluster("state").stop(.immediate)
            for path in ["/v1/overview", "/v1/replicas", "/v1/transactions?queue=running"] {
                let answer = try await testbed.get(path)
                #expect(answer.status == 503, "\(path)")
                #expect(answer.type == "/problems/state-database-unavailable")
            }
            let answer = try await replicas.postJSON(
                replicas.one, "/v1/transactions/\(id)/retry")
            #expect(answer.status == 503)
        }
    }
}
