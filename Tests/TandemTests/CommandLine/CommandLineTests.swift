import CoordinatorAPI
import EventLoop
import Foundation
import Glibc
import PostgresClusters
import Testing

@testable import tandem

@Suite("Commands that ask a replica, run as processes", .serialized)
struct CommandLineTests {
    private func file(_ text: String) throws -> String {
        let path = "/tmp/tandem-command-test-\(UInt64.random(in: 0 ... .max)).json"
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }

    private func json(_ output: CommandOutput) throws -> JSONValue {
        try JSONReader.read(Array(output.output.utf8))
    }

    @Test(
        "run commits, says its key, and repeated with it gives the same outcome; then show and list"
    )
    func runShowList() async throws {
        try await withTestbed { testbed in
            let path = try file(Testbed.pair("u1", "o1"))
            defer { try? FileManager.default.removeItem(atPath: path) }
            let first = try await testbed.tandem("run", path, "--key", "once", "--json")
            #expect(first.exits(.done), "\(first.errors)")
            #expect(first.errors.hasPrefix("Idempotency-Key: once\n"))
            let id = try #require(try json(first)["id"]?.string)
            let again = try await testbed.tandem("run", path, "--key", "once")
            #expect(again.exits(.done))
            #expect(again.output.contains(id))
            // The same body under a new key loses to the row that is there.
            let other = try await testbed.tandem(
                "run", "-", input: Testbed.pair("u1", "o2"))
            #expect(other.exits(.aborted))
            #expect(other.errors.contains("duplicate key value"))
            let shown = try await testbed.tandem("transactions", "show", id)
            #expect(shown.exits(.done))
            #expect(shown.output.contains("users") && shown.output.contains("committed"))
            let listed = try await testbed.tandem("transactions", "list", "--state", "committed")
            #expect(listed.output.split(separator: "\n").count == 2)
            let lines = try await testbed.tandem(
                "transactions", "list", "--all", "--limit", "1", "--json")
            #expect(lines.output.split(separator: "\n").count == 2, "one JSON line for each")
            let page = try await testbed.tandem("transactions", "list", "--limit", "1", "--json")
            #expect(try json(page)["nextCursor"]?.string != nil)
            let key = try await testbed.tandem("transactions", "list", "--key", "once", "--json")
            #expect(try json(key)["transactions"]?[0]?["id"]?.string == id)
            let refused = try await testbed.tandem("transactions", "rollback", id)
            #expect(refused.exits(.refused))
            #expect(refused.errors.contains("can no longer be rolled back"))
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("run finds out the outcome, with the same key, after the replica died at its decision")
    func runThroughADeath() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let path = try file(Testbed.pair("u1", "o1"))
            defer { try? FileManager.default.removeItem(atPath: path) }
            let dying = try await testbed.restarted(failing: "decideCommit.after=kill")
            let url = "http://127.0.0.1:\(testbed.client.port)"
            let run = Task {
                try await Program.run(["run", path, "--timeout", "5m", "--json", "--url", url])
            }
            #expect(await dying.replica.process.exitStatus() == .signalled(SIGKILL))
            try await testbed.nextIncarnation()
            let output = try await run.value
            #expect(output.exits(.done), "\(output.errors)")
            #expect(output.errors.contains("Trying again with the same key."))
            #expect(try json(output)["state"]?.string == "committed")
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("a wait ends at its time-out with 3; a rollback aborts, and then the wait says 2")
    func waitAndRollback() async throws {
        try await withTestbed { testbed in
            let client = testbed.client
            let request = Task {
                try? await client.post(
                    "/v1/transactions",
                    Testbed.request([Testbed.branch("users", Testbed.waiting)]), key: "k")
            }
            try await testbed.untilRunning("DO $$", in: "users")
            let list = try await testbed.tandem("transactions", "list", "--json")
            let id = try #require(try json(list)["transactions"]?[0]?["id"]?.string)
            let early = try await testbed.tandem("transactions", "wait", id, "--timeout", "1s")
            #expect(early.exits(.unfinished), "\(early.errors)")
            #expect(early.output.contains("preparing"))
            let rolled = try await testbed.tandem("transactions", "rollback", id)
            #expect(rolled.exits(.done) || rolled.exits(.unfinished), "\(rolled.errors)")
            let waited = try await testbed.tandem("transactions", "wait", id)
            #expect(waited.exits(.aborted))
            _ = await request.value
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("resolve shows what it will do, wants --yes without a terminal, and records it")
    func resolve() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            _ = try await testbed.cluster("users").psql(
                "ROLLBACK PREPARED '\(try await testbed.gid(1))'")
            try await testbed.startAgain()
            _ = try await testbed.status(id, "it needs an operator, and has finished") {
                $0["state"]?.string == "needsOperator" && $0["finishedAt"]?.string != nil
            }
            #expect(try await testbed.tandem("transactions", "wait", id).exits(.needsOperator))
            let words = [
                "transactions", "resolve", id, "--branch", "0", "--outcome", "committed",
                "--reason", "looked",
            ]
            let asked = try await testbed.tandem(words)
            #expect(asked.exits(.usage))
            #expect(asked.errors.contains("no database is touched"))
            #expect(asked.errors.contains("Expected --yes"))
            let unforced = try await testbed.tandem(words + ["--yes"])
            #expect(unforced.exits(.refused))
            #expect(unforced.errors.contains("Use force"))
            let forced = try await testbed.tandem(words + ["--yes", "--force"])
            #expect(forced.exits(.done), "\(forced.errors)")
            #expect(forced.output.contains("branch 0: committed by ada, forced"))
            let missing = words.map { $0 == "0" ? "7" : $0 }
            #expect(try await testbed.tandem(missing + ["--yes"]).exits(.usage))
        }
    }

    @Test("participants are listed and checked, their waits shown; names that are not there are 5")
    func participants() async throws {
        try await withTestbed { testbed in
            let listed = try await testbed.tandem("participants", "list")
            #expect(listed.output.contains("users   available"))
            let waits = try await testbed.tandem("participants", "waits", "orders")
            #expect(waits.output == "No session waits for a lock there.\n")
            #expect(try await testbed.tandem("participants", "waits", "nix").exits(.notFound))
            let absent = try await testbed.tandem("transactions", "show", "1-00000000000000aa")
            #expect(absent.exits(.notFound))
            let configuration = testbed.sandbox.configurationFile(of: 1)
            let check = try await testbed.tandem(
                "participants", "check", "users", "--config", configuration)
            #expect(check.exits(.done), "\(check.output)\(check.errors)")
            #expect(check.output.contains("participant users: "))
            #expect(!check.output.contains("orders") && !check.output.contains("state:"))
            let wrong = try await testbed.tandem(
                "participants", "check", "user", "--config", configuration)
            #expect(wrong.exits(.usage))
        }
    }

    @Test("without a replica the error names the address; the token is in no output")
    func unreachable() async throws {
        let port = try LoopbackPort.reserve()
        let url = "http://127.0.0.1:\(port.number)"
        let output = try await Program.run(
            ["transactions", "list"],
            environment: ["TANDEM_URL": url, "TANDEM_TOKEN": "hush-hush"])
        #expect(output.exits(.unreachable))
        #expect(output.errors.hasPrefix("Error: Cannot reach \(url): connection refused"))
        #expect(!output.errors.contains("hush"))
        let run = try await Program.run(["run", "-", "--url", url], input: "{}")
        #expect(run.exits(.unreachable), "nothing has arrived anywhere")
        let file = try await Program.run(["run", "/nonexistent", "--url", url])
        #expect(file.exits(.usage))
    }
}
