import CoordinatorAPI
import EventLoop
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Failures: what the caller sees, and which replica finishes")
struct FailureTests {
    @Test("a participant that is down refuses before anything is accepted; others go on")
    func participantDown() async throws {
        try await withTestbed { testbed in
            try await testbed.cluster("orders").stop(.immediate)
            try await testbed.until("the loss is seen") {
                let answer = try await testbed.post(Testbed.pair("u1", "o1"))
                return answer.status == 503 && answer.type == "/problems/participant-unavailable"
            }
            #expect(try await testbed.run("INSERT INTO users VALUES ('u2', 'x')").status == 201)
            try await testbed.cluster("orders").restart()
            try await testbed.until("the participant is used again") {
                try await testbed.post(Testbed.pair("u3", "o3")).status == 201
            }
            try await testbed.expectQuiet(users: 2, orders: 1)
        }
    }

    @Test("a participant that dies while in doubt is committed when it is back")
    func participantDiesInDoubt() async throws {
        try await withTestbed(settings: ["transactions: { finishWaitMilliseconds: 1000 }"]) {
            testbed in
            let frozen = try await testbed.freezeFinishers(of: "orders")
            let answer = try await testbed.post(Testbed.pair("u1", "o1"))
            #expect(answer.status == 202)
            #expect(answer.body["state"]?.string == "committing")
            let id = try #require(answer.body["id"]?.string)
            await (try testbed.cluster("orders")).kill()
            for pid in frozen { kill(pid, SIGKILL) }
            try await testbed.cluster("orders").restart()
            let status = try await testbed.get("/v1/transactions/\(id)?waitSeconds=30")
            #expect(status.body["state"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("the state database is down: 503, nothing half-done, and service returns with it")
    func stateDown() async throws {
        try await withTestbed { testbed in
            #expect(try await testbed.commits(Testbed.pair("u1", "o1")))
            try await testbed.cluster("state").stop(.immediate)
            let answer = try await testbed.post(Testbed.pair("u2", "o2"))
            #expect(answer.status == 503)
            #expect(answer.type == "/problems/state-database-unavailable")
            try await testbed.cluster("state").restart()
            try await testbed.until("service returns") {
                try await testbed.commits(Testbed.pair("u3", "o3"))
            }
            try await testbed.expectQuiet(users: 2, orders: 2)
        }
    }

    @Test("kill -9 between the decision and the commits: the next incarnation commits")
    func killedAfterDecision() async throws {
        try await withTestbed { testbed in
            var frozen = try await testbed.freezeFinishers(of: "users")
            frozen += try await testbed.freezeFinishers(of: "orders")
            let client = testbed.client
            let request = Task {
                try? await client.post("/v1/transactions", Testbed.pair("u1", "o1"))
            }
            try await testbed.until("the decision is durable") {
                try await testbed.value("state", "SELECT decision FROM tandem.transactions")
                    == "commit"
            }
            await testbed.replica.kill()
            for pid in frozen {
                kill(pid, SIGTERM)
                kill(pid, SIGCONT)
            }
            _ = await request.value
            #expect(try await testbed.value("users", "SELECT count(*) FROM users") == "0")
            try await testbed.sandbox.startReplica(1, port: client.port, isQuiet: true)
            try await testbed.until("the branches are finished") {
                try await testbed.value("orders", "SELECT count(*) FROM orders") == "1"
            }
            try await testbed.until("and the other one") {
                try await testbed.value("users", "SELECT count(*) FROM users") == "1"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("kill -9 while the work runs: nothing stays, and no lock either")
    func killedDuringWork() async throws {
        let settings = ["transactions: { orphanGraceSeconds: 1, scanIntervalMilliseconds: 200 }"]
        try await withTestbed(settings: settings) { testbed in
            let client = testbed.client
            let request = Task {
                try? await client.post(
                    "/v1/transactions",
                    #"{"branches":[{"participant":"users","statements":[{"sql":"INSERT INTO users "#
                        + #"VALUES ('a', 'b')"}]},{"participant":"orders","statements":[{"sql":"#
                        + #""SELECT pg_sleep(30)"}]}]}"#)
            }
            try await testbed.until("one branch is prepared") {
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "1"
            }
            await testbed.replica.kill()
            _ = await request.value
            try await testbed.sandbox.startReplica(1, port: client.port, isQuiet: true)
            try await testbed.until("the orphan is rolled back") {
                try await testbed.value("users", "SELECT count(*) FROM pg_prepared_xacts") == "0"
            }
            try await testbed.until("the late session is ended") {
                try await testbed.value(
                    "orders",
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' "
                        + "AND pid <> pg_backend_pid() AND state = 'active'") == "0"
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("two processes with one name: the older one ends")
    func superseded() async throws {
        try await withTestbed { testbed in
            let younger = try await testbed.sandbox.startReplica(1, isQuiet: true)
            #expect(await testbed.replica.process.exitStatus() == .exited(75))
            let answer = try await LoopbackHTTP(port: younger.port)
                .post("/v1/transactions", Testbed.pair("u1", "o1"))
            #expect(answer.status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("SIGTERM lets what is under way end, and readiness fails first")
    func gracefulStop() async throws {
        try await withTestbed { testbed in
            let client = testbed.client
            let request = Task {
                try await client.post(
                    "/v1/transactions",
                    #"{"branches":[{"participant":"users","statements":[{"sql":"\#(Testbed.waiting)"},"#
                        + #"{"sql":"INSERT INTO users VALUES ('a', 'b')"}]}],"#
                        + #""timeoutMilliseconds":60000}"#)
            }
            try await testbed.untilRunning("DO $$", in: "users")
            // Known to the server by half a request: a listener that closes drops all others.
            let probe = try Wire(port: client.port)
            await probe.send("GET /readyz HTTP/1.1\r\n".utf8)
            _ = try await client.get("/livez")
            testbed.replica.process.send(SIGTERM)
            try await testbed.until("nobody is let in any more") {
                (try? await client.get("/livez")) == nil
            }
            await probe.send("Host: localhost\r\n\r\n".utf8)
            let readiness = try #require(await probe.readToEnd())
            #expect(readiness.hasPrefix("HTTP/1.1 503 "))
            #expect(readiness.contains("/problems/draining"))
            try await testbed.go("users")
            #expect(try await request.value.status == 201)
            #expect(await testbed.replica.process.exitStatus() == .exited(0))
            try await testbed.expectQuiet(users: 1, orders: 0)
        }
    }

    @Test("a second signal stops at once, and the next incarnation finds nothing half done")
    func secondSignal() async throws {
        let settings = ["transactions: { orphanGraceSeconds: 1, scanIntervalMilliseconds: 200 }"]
        try await withTestbed(settings: settings) { testbed in
            let client = testbed.client
            let request = Task {
                try? await client.post(
                    "/v1/transactions",
                    #"{"branches":[{"participant":"orders","statements":[{"sql":"INSERT INTO orders "#
                        + #"VALUES ('o', 'u', 1)"}]},{"participant":"users","statements":["#
                        + #"{"sql":"\#(Testbed.waiting)"}]}],"timeoutMilliseconds":60000}"#)
            }
            try await testbed.untilRunning("DO $$", in: "users")
            testbed.replica.process.send(SIGTERM)
            try await testbed.until("nobody is let in any more") {
                (try? await client.get("/livez")) == nil
            }
            testbed.replica.process.send(SIGTERM)
            #expect(await testbed.replica.process.exitStatus() == .exited(130))
            #expect(await request.value == nil)
            try await testbed.sandbox.startReplica(1, port: client.port, isQuiet: true)
            try await testbed.until("what was prepared is rolled back") {
                try await testbed.value("orders", "SELECT count(*) FROM pg_prepared_xacts") == "0"
            }
            try await testbed.expectQuiet(users: 0, orders: 0)
            #expect(try await testbed.post(Testbed.pair("u1", "o1")).status == 201)
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }
}
