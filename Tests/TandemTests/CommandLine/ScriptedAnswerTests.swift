import PostgresClusters
import Testing

@testable import tandem

@Suite("Commands and the answers of what is no replica, or dies")
struct ScriptedAnswerTests {
    private func run(_ server: ScriptedServer, _ more: String...) async throws -> CommandOutput {
        try await Program.run(["run", "-", "--url", server.url] + more, input: "{}")
    }

    @Test(
        "a refusal after an attempt that may have arrived leaves the outcome unknown",
        arguments: ["401 Unauthorized", "403 Forbidden", "404 Not Found", "429 Too Many"])
    func refusedLater(status: String) async throws {
        let server = try ScriptedServer([.closing, .status(status)])
        let output = try await run(server)
        #expect(output.exits(.unfinished), "\(output)")
        #expect(output.errors.contains("The outcome is not known: the answer has status"))
        #expect(output.errors.contains("--key"))
        #expect(server.requests.count == 2)
    }

    @Test("a refusal of the first attempt is one")
    func refusedAtOnce() async throws {
        let server = try ScriptedServer([.status("403 Forbidden", body: "<html>No.</html>")])
        let output = try await run(server)
        #expect(output.exits(.refused), "\(output)")
        #expect(output.errors.contains("TANDEM_TOKEN"))
        let other = try ScriptedServer([.status("403 Forbidden", body: "<html>No.</html>")])
        let json = try await run(other, "--json")
        #expect(json.exits(.refused))
        #expect(json.output.isEmpty)
    }

    @Test("a page with status 200 is no commit; what a replica says then is")
    func loginPage() async throws {
        let server = try ScriptedServer([
            .status("200 OK", body: "<html>Log in</html>"),
            .status("201 Created", body: #"{"id":"7-00000000000000aa","state":"committed"}"#),
        ])
        let output = try await run(server)
        #expect(output.exits(.done), "\(output)")
        #expect(server.requests.count == 2)
        let never = try ScriptedServer(
            Array(repeating: .status("200 OK", body: "<html>Log in</html>"), count: 20))
        #expect(try await run(never, "--timeout", "1s").exits(.unfinished))
    }

    @Test("a transaction without an ETag is not resolved: a change of it could not be noticed")
    func resolveWithoutTag() async throws {
        let server = try ScriptedServer([
            .status("200 OK", body: #"{"participants":[]}"#),
            .status("200 OK", body: #"{"id":"7-00000000000000aa","branches":[{"branch":0}]}"#),
        ])
        let output = try await Program.run([
            "transactions", "resolve", "7-00000000000000aa", "--branch", "0", "--outcome",
            "committed", "--reason", "looked", "--yes", "--url", server.url,
        ])
        #expect(output.exits(.failed), "\(output)")
        #expect(output.errors.contains("The answer has no ETag"))
        #expect(server.requests.count == 2)
    }

    @Test("a time-out below a second is one", .timeLimit(.minutes(20)))
    func shortTimeout() async throws {
        let server = try ScriptedServer([.silence])
        let output = try await Program.run([
            "transactions", "list", "--request-timeout", "300ms", "--url", server.url,
        ])
        #expect(output.exits(.unreachable), "\(output)")
        #expect(output.errors.contains("no answer within"))
    }

    @Test("a full disk below standard output is said, and is no success")
    func fullDisk() async throws {
        let server = try ScriptedServer([.status("200 OK", body: #"{"transactions":[]}"#)])
        let list = try Program.command(["transactions", "list", "--json", "--url", server.url])
        let output = try await PostgresClusters.Command(
            "/bin/sh", ["-c", "exec \"$0\" \"$@\" > /dev/full", list.executable] + list.arguments
        ).run()
        #expect(output.exits(.failed), "\(output)")
        #expect(output.errors == "Error: The output cannot be written: No space left on device.\n")
    }
}
