import CoordinatorAPI
import Foundation
import PostgresClusters
import Testing

@testable import tandem

@Suite("Requests about control points")
struct ControlPointRequestTests {
    @Test("a replica that serves has none")
    func absentFromServe() async throws {
        try await withTestbed { testbed in
            for path in ["/dev/control-points", "/dev/control-points/1"] {
                #expect(try await testbed.get(path).status == 404)
                #expect(try await testbed.client.delete(path).status == 404)
            }
            let answer = try await testbed.client.post(
                "/dev/control-points", #"{"point":"decided"}"#)
            #expect(answer.status == 404)
            let option = try await Program.run(["serve", "--pause-at", "decided"])
            #expect(option.errors.contains("Unknown option '--pause-at'"))
        }
    }

    @Test("replicas with control points listen on this machine alone")
    func loopbackOnly() async throws {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("tandem-\(UUID().uuidString).yaml").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try Data(
            """
            listen: { host: 127.0.0.2, port: 1 }
            replica: { name: a }
            state: { conninfo: "host=127.0.0.1" }
            participants: [{ name: users, conninfo: "host=127.0.0.1" }]
            """.utf8
        ).write(to: URL(fileURLWithPath: file))
        let output = try await Program.run(["dev-replica", "--config", file])
        #expect(!output.succeeded)
        #expect(output.errors.contains("Expected listen.host 127.0.0.1"))
    }

    @Test("a misspelt name gets those that exist")
    func misspelt() async throws {
        let output = try await Program.run(["dev", "--pause-at", "decidd"])
        #expect(!output.succeeded)
        #expect(output.errors.contains("  - decided\n"))
        try await withRehearsal { testbed in
            for (rule, pointer, words) in [
                (#"{"point":"decidd"}"#, "/point", #"Expected one of "accepted", "working""#),
                (#"{"action":"pause"}"#, "", #"The member "point" is missing"#),
                (#"{"point":"decided","action":"stop"}"#, "/action", #""pause", "disconnect""#),
                (
                    #"{"point":"decided","participant":"user"}"#, "/participant",
                    #"Expected one of "users", "orders", got "user""#
                ),
                (#"{"point":"decided","transactions":0}"#, "/transactions", "from 1 to"),
                (#"{"point":"decided","labels":{"a":1}}"#, "/labels/a", "Expected a string"),
                (#"{"point":"decided","idempotencyKey":""}"#, "/idempotencyKey", "1 to 255"),
                (#"{"point":"decided","until":1}"#, "/until", "expected one of point, action"),
                (
                    #"{"point":"finished","action":"commitBranch"}"#, "/action",
                    #"Expected one of the points "prepared", "deciding""#
                ),
            ] {
                let answer = try Testbed.answer(
                    await testbed.client.post("/dev/control-points", rule))
                #expect(answer.status == 400)
                #expect(answer.type == "/problems/invalid-request")
                let fault = answer.body["errors"]?[0]
                #expect(fault?["pointer"]?.string == pointer, "\(rule)")
                #expect(fault?["detail"]?.string?.contains(words) == true, "\(answer.text)")
            }
            #expect(try await testbed.get("/dev/control-points/1").status == 404)
            #expect(try await testbed.get("/dev/control-points/x").status == 404)
            #expect(try await testbed.client.delete("/dev/control-points/7").status == 404)
        }
    }

    @Test("the number of rules is bounded")
    func bounded() async throws {
        try await withRehearsal { testbed in
            for _ in 1...100 { _ = try await testbed.addPoint(#"{"point":"recording"}"#) }
            let answer = try Testbed.answer(
                await testbed.client.post("/dev/control-points", #"{"point":"recording"}"#))
            #expect(answer.type == "/problems/conflict")
            #expect(try await testbed.client.delete("/dev/control-points").status == 204)
            _ = try await testbed.addPoint(#"{"point":"recording"}"#)
        }
    }
}
