import CoordinatorAPI
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Requests for a transaction that another replica coordinates")
struct DistantRequestTests {
    @Test("a rollback on another replica cancels the owner's SQL at once, and repeats its outcome")
    func rollBackElsewhere() async throws {
        try await withReplicas { replicas in
            let request = try await replicas.startEndless(timeoutMilliseconds: 60000)
            let id = try await replicas.newestID()
            let path = "/v1/transactions/\(id)/rollback"
            let answer = try await replicas.postJSON(replicas.two, path)
            #expect([200, 202].contains(answer.status))
            #expect(answer.body["decision"]?.string == "abort")
            let caller = try await request.value
            #expect(caller.status == 409)
            #expect(caller.type == "/problems/rolled-back-by-request")
            try await replicas.untilRuns("pg_sleep(600)", false)
            for client in [replicas.one, replicas.two] {
                _ = try await client.get("/v1/transactions/\(id)?waitSeconds=30")
                let again = try await replicas.postJSON(client, path)
                #expect(again.status == 200)
                #expect(again.body["state"]?.string == "aborted")
                #expect(
                    again.body["problem"]?["type"]?.string == "/problems/rolled-back-by-request")
            }
            try await replicas.testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test(
        "a rollback after the decision to commit is a conflict on every replica, and changes nothing"
    )
    func rollBackTooLate() async throws {
        try await withReplicas { replicas in
            let done = try await replicas.testbed.post(Testbed.pair("u1", "o1"))
            let id = try #require(done.body["id"]?.string)
            for client in [replicas.one, replicas.two] {
                let answer = try await replicas.postJSON(
                    client, "/v1/transactions/\(id)/rollback")
                #expect(answer.status == 409)
                #expect(answer.type == "/problems/conflict")
                let missing = try await replicas.postJSON(
                    client, "/v1/transactions/999999-0000000000000001/rollback")
                #expect(missing.status == 404)
            }
            try await replicas.testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("waiting on another replica ends when the owner has ended the transaction")
    func waitElsewhere() async throws {
        let settings = ["transactions: { finishWaitMilliseconds: 1000 }"]
        try await withReplicas(settings: settings) { replicas in
            let testbed = replicas.testbed
            let frozen = try await testbed.freezeFinishers(of: "users", replica: 1)
            let answer = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(answer.status == 202)
            let id = try #require(answer.body["id"]?.string)
            let two = replicas.two
            let waiting = Task {
                try Testbed.answer(await two.get("/v1/transactions/\(id)?waitSeconds=60"))
            }
            try await Task.sleep(for: .milliseconds(500))
            for pid in frozen { kill(pid, SIGCONT) }
            let status = try await waiting.value
            let reported = Date().timeIntervalSince1970
            #expect(status.body["state"]?.string == "committed")
            let finished = try await testbed.value(
                "state",
                "SELECT extract(epoch FROM finished_at) FROM tandem.transactions")
            if let finished = finished.flatMap(Double.init) {
                print(
                    "reported on the other replica \(Int((reported - finished) * 1000)) ms after the end"
                )
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a signal alone aborts nothing: the row is what counts")
    func forgedSignal() async throws {
        try await withReplicas { replicas in
            let one = replicas.one
            let request = Task {
                try Testbed.answer(
                    await one.post(
                        "/v1/transactions",
                        #"{"branches":[{"participant":"users","statements":[{"sql":"#
                            + #""\#(Testbed.waiting)"},{"sql":"INSERT INTO users VALUES ('a', 'b')"}]}]}"#
                    ))
            }
            try await replicas.untilRuns("DO")
            let id = try await replicas.newestID()
            _ = try await replicas.testbed.value(
                "state", "SELECT pg_notify('tandem', 'rollBack \(id)')")
            _ = try await replicas.one.get("/v1/transactions/\(id)")
            try await replicas.testbed.go("users")
            #expect(try await request.value.status == 201)
            try await replicas.testbed.expectQuiet(users: 1, orders: 0)
        }
    }
}
