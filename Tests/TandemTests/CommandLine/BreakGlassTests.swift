import CommitProtocol
import CoordinatorAPI
import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters
import Testing

@testable import tandem

/// Real servers, in-doubt transactions, a real dump, and psql.
@Suite("The SQL of tandem break-glass, run by hand when no replica can", .serialized)
struct BreakGlassTests {
    /// A dump of the state database, in a file.
    private func dump(_ testbed: Testbed, _ more: [String] = []) async throws -> String {
        let path = "/tmp/tandem-dump-test-\(UInt64.random(in: 0 ... .max)).sql"
        let output = try await tool(
            "pg_dump", ["--schema=tandem"] + more + [testbed.cluster("state").connectionString()])
        try Data(output.output.utf8).write(to: URL(filePath: path))
        return path
    }

    private func tool(
        _ name: String, _ arguments: [String], input: String = ""
    ) async throws -> CommandOutput {
        let program = try await Self.program(name)
        let output = try await PostgresClusters.Command(program, arguments).run(input: input)
        try #require(output.succeeded, "\(output.errors)")
        return output
    }

    private static func program(_ name: String) async throws -> String {
        let program = try await PostgresInstallation.find().program(name)
        return FileManager.default.isExecutableFile(atPath: program) ? program : "/usr/bin/\(name)"
    }

    /// Runs a script with psql in the participant's database, and returns what psql said.
    @discardableResult
    private func psql(
        _ testbed: Testbed, _ name: String, _ script: String
    ) async throws -> CommandOutput {
        try await tool(
            "psql", ["-X", "-A", "-t", testbed.cluster(name).connectionString()], input: script)
    }

    private func breakGlass(_ arguments: String...) async throws -> CommandOutput {
        try await Program.run(["break-glass"] + arguments)
    }

    private func prepared(_ testbed: Testbed) async throws -> [String?] {
        var counts: [String?] = []
        for name in Sandbox.participantNames {
            counts.append(
                try await testbed.value(name, "SELECT count(*) FROM pg_prepared_xacts"))
        }
        return counts
    }

    @Test("decided commits of a dump are committed in both databases, and tandem agrees afterwards")
    func decidedCommit() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            let id = try await testbed.leaveInDoubt("u1", "o1")
            let path = try await dump(testbed)
            defer { try? FileManager.default.removeItem(atPath: path) }
            #expect(try await prepared(testbed) == ["1", "1"])
            let wrong = try await breakGlass("--state-dump", path, "--only", "user")
            #expect(wrong.exits(.usage))
            #expect(wrong.output.isEmpty && wrong.errors.contains("orders, users, got \"user\""))
            for name in Sandbox.participantNames {
                let script = try await breakGlass("--state-dump", path, "--only", name)
                #expect(script.exits(.done), "\(script.errors)")
                let branch = name == "users" ? 1 : 2
                #expect(
                    script.output.contains("\nCOMMIT PREPARED '\(try await testbed.gid(branch))';"))
                let said = try await psql(testbed, name, script.output)
                #expect(said.output.contains("COMMIT PREPARED"), "\(said)")
                #expect(said.output.contains("|committed|committed"))
            }
            #expect(try await prepared(testbed) == ["0", "0"])
            try await testbed.startAgain()
            _ = try await testbed.status(id, "it is committed") {
                $0["state"]?.string == "committed"
            }
            try await testbed.expectQuiet(users: 1, orders: 1)
        }
    }

    @Test("the script for one database fails in another, on a standby, and while a replica runs")
    func guards() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            _ = try await testbed.leaveInDoubt("u1", "o1")
            let path = try await dump(testbed)
            defer { try? FileManager.default.removeItem(atPath: path) }
            let users = try await breakGlass("--state-dump", path, "--only", "users").output
            @Sendable func refusal(at address: String) async throws -> String {
                let output = try await PostgresClusters.Command(
                    try await Self.program("psql"), ["-X", address]
                ).run(input: users)
                #expect(!output.succeeded)
                #expect(!output.output.contains("COMMIT PREPARED"))
                return output.errors
            }
            let orders = try testbed.cluster("orders").connectionString()
            #expect(
                try await refusal(at: orders).contains("Skipped, users, version 1: this is another")
            )
            let address = try testbed.cluster("users").connectionString()
            try await Self.holding(address + " application_name='tandem-work other'") {
                let refused = try await refusal(at: address)
                #expect(refused.contains("sessions of tandem are left"))
            }
            try await testbed.cluster("users").becomeStandby()
            #expect(try await refusal(at: address).contains("standby"))
            try await testbed.cluster("users").promote()
            #expect(try await prepared(testbed) == ["1", "1"])
        }
    }

    @Test("a block for the server before is skipped, and the one for this server runs")
    func versions() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            _ = try await testbed.leaveInDoubt("u1", "o1")
            let server = try await testbed.value(
                "users", "SELECT system_identifier FROM pg_control_system()")
            let database = try await testbed.value("users", "SELECT current_database()")
            // Both are prepared here, so that only the guard keeps the first from being committed.
            for branch in 0...1 {
                let gid = BreakGlassPlanTests.gid(branch)
                try await psql(testbed, "users", "BEGIN; PREPARE TRANSACTION '\(gid)';")
            }
            let tests = BreakGlassPlanTests()
            let snapshot = try tests.snapshot(
                tests.dump(
                    [
                        "decision": "commit", "participants": "{users,users}",
                        "participant_versions": "{1,2}", "evidence": "\\N",
                    ],
                    places: [
                        "users\t1\t73\tshop",
                        "users\t2\t\(try #require(server))\t\(try #require(database))",
                    ]))
            let script = BreakGlassScript(
                snapshot, BreakGlassPlan(snapshot, isLastState: false), only: "users"
            ).text
            let output = try await psql(testbed, "users", script)
            #expect(
                output.errors.contains("Skipped, users, version 1: this is another server than 73"))
            #expect(!output.errors.contains("version 2") && !output.errors.contains("ERROR"))
            let left = try await testbed.value(
                "users",
                "SELECT string_agg(gid, ' ') FROM pg_prepared_xacts WHERE gid LIKE "
                    + "'%7-00000000000000aa:%'")
            #expect(left == BreakGlassPlanTests.gid(0))
        }
    }

    /// Keeps a session open while the body runs.
    @LoopActor
    private static func holding(
        _ address: String, _ body: @Sendable () async throws -> Void
    ) async throws {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: address), timeout: .seconds(30), loop: .shared)
        defer { connection.close() }
        try await body()
    }

    @Test("undecided transactions are only listed; with --last-state they are rolled back")
    func undecided() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            try await testbed.dies(at: "decideCommit.before", Testbed.pair("u1", "o1"), key: "k")
            try await untilNoSession(testbed)
            #expect(try await prepared(testbed) == ["1", "1"])
            let path = try await dump(testbed)
            defer { try? FileManager.default.removeItem(atPath: path) }
            let listed = try await breakGlass("--state-dump", path)
            #expect(listed.exits(.needsOperator))
            #expect(!listed.output.contains("\nROLLBACK PREPARED"))
            #expect(!listed.output.contains("\nSELECT format('ROLLBACK"))
            #expect(listed.output.contains("one may have been since"))
            // A replica that runs goes on deciding, whatever the caller says.
            let state = try testbed.cluster("state").connectionString()
            func live(heartbeat: String) async throws -> CommandOutput {
                _ = try await testbed.cluster("state").psql(
                    "UPDATE tandem.replicas SET heartbeat_at = now() - interval '\(heartbeat)'")
                return try await breakGlass("--state", state, "--last-state")
            }
            let alive = try await live(heartbeat: "0 s")
            #expect(alive.exits(.needsOperator))
            #expect(alive.output.contains("wrote a heartbeat within the last minute"))
            #expect(!alive.output.contains("\nSELECT format('ROLLBACK"))
            #expect(try await live(heartbeat: "1 hour").exits(.done))
            for name in Sandbox.participantNames {
                let script = try await breakGlass(
                    "--state-dump", path, "--last-state", "--only", name)
                #expect(script.exits(.done))
                #expect(!script.output.contains("\nCOMMIT PREPARED"))
                try await psql(testbed, name, script.output)
            }
            #expect(try await prepared(testbed) == ["0", "0"])
            try await testbed.startAgain()
            try await testbed.expectQuiet(users: 0, orders: 0)
        }
    }

    @Test("the live state database gives the same statements as its dump")
    func live() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            _ = try await testbed.leaveInDoubt("u1", "o1")
            let path = try await dump(testbed)
            defer { try? FileManager.default.removeItem(atPath: path) }
            func statements(_ text: String) -> [Substring] {
                text.split(separator: "\n").filter { !$0.hasPrefix("--") }
            }
            let state = try testbed.cluster("state").connectionString()
            let live = try await breakGlass("--state", state)
            #expect(live.exits(.done), "\(live.errors)")
            #expect(
                statements(live.output)
                    == statements(try await breakGlass("--state-dump", path).output))
            // A promoted state database may have lost decisions: nothing is presumed then.
            try await testbed.cluster("state").becomeStandby()
            let standby = try await breakGlass("--state", state, "--last-state")
            #expect(standby.output.contains("CAUTION: this server is a standby"))
            try await testbed.cluster("state").promote()
            let promoted = try await breakGlass("--state", state, "--last-state")
            #expect(promoted.output.contains("CAUTION: this server is not the one"))
            let archive = try await dump(testbed, ["--inserts"])
            defer { try? FileManager.default.removeItem(atPath: archive) }
            #expect(try await breakGlass("--state-dump", archive).exits(.usage))
        }
    }

    @Test(
        "where the commit point is a branch, no statement runs by itself, and the answer is there")
    func commitPoints() async throws {
        try await withCommitModes(
            settings: ResolutionTests.quick, keys: ["users": "journal: true"]
        ) { testbed in
            try await testbed.dies(at: "commitLocally.after.0", Testbed.journalled("a"), key: "k")
            try await untilNoSession(testbed)
            let path = try await dump(testbed)
            defer { try? FileManager.default.removeItem(atPath: path) }
            let script = try await breakGlass("--state-dump", path, "--last-state").output
            let statements = script.split(separator: "\n").filter { !$0.hasPrefix("--") }
            #expect(statements.isEmpty, "\(statements)")
            let question = try question(in: script)
            #expect(try await psql(testbed, "users", question).output == "commit\n")
            let commit = try #require(
                script.firstMatch(of: /in orders, to commit: +(?<sql>COMMIT PREPARED '[^']+';)/))
            try await psql(testbed, "orders", String(commit.output.sql))
            let replica = try await testbed.sandbox.startReplica(
                1, port: testbed.client.port, isQuiet: true)
            try await testbed.expectQuiet(users: 1, orders: 1)
            let early = try await psql(testbed, "users", question).output
            #expect(early.hasPrefix("sessions of tandem are left here"))
            await replica.kill()
            try await untilNoSession(testbed)
            try await expectGuarded(testbed, question)
        }
    }

    @Test("where a one-phase branch is the commit point, the status of its transaction id is asked")
    func onePhase() async throws {
        try await withTestbed(settings: ResolutionTests.quick) { testbed in
            _ = try await testbed.leaveInDoubt("u1", "o1")
            try await untilNoSession(testbed)
            let evidence = try await testbed.value(
                "users",
                "SELECT concat_ws(' ', pg_current_xact_id(), system_identifier, timeline_id, '0/1 app') "
                    + "FROM pg_control_system(), pg_control_checkpoint()")
            let tests = BreakGlassPlanTests()
            let snapshot = try tests.snapshot(
                tests.dump(
                    [
                        "state": "preparing", "commit_modes": "{onePhase,twoPhase}",
                        "delegated": "t", "evidence": "{\"\(try #require(evidence))\",NULL}",
                    ],
                    places: []))
            let script = BreakGlassScript(
                snapshot, BreakGlassPlan(snapshot, isLastState: true), only: nil
            ).text
            let question = try question(in: script)
            #expect(try await psql(testbed, "users", question).output == "committed\n")
            try await expectGuarded(testbed, question)
        }
    }

    /// The question to a commit point, which stands in a comment.
    private func question(in script: String) throws -> String {
        let line = script.split(separator: "\n").first { $0.hasPrefix("--   SELECT CASE ") }
        return String(try #require(line).dropFirst(2))
    }

    /// Asks a wrong server, a standby, and the server on its next timeline.
    private func expectGuarded(_ testbed: Testbed, _ question: String) async throws {
        if !question.contains("tandem_participant") {
            let other = try await psql(testbed, "orders", question).output
            #expect(other.hasPrefix("this is another server than "))
        }
        try await testbed.cluster("users").becomeStandby()
        let standby = try await psql(testbed, "users", question)
        #expect(standby.output.hasPrefix("this server is a standby"), "\(standby)")
        try await testbed.cluster("users").promote()
        let promoted = try await psql(testbed, "users", question)
        #expect(promoted.output.hasPrefix("this server is not on timeline 1"), "\(promoted)")
    }

    private func untilNoSession(_ testbed: Testbed) async throws {
        for name in Sandbox.participantNames {
            try await testbed.until("no session of the killed replica is left in \(name)") {
                try await testbed.value(
                    name,
                    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tandem-%'")
                    == "0"
            }
        }
    }
}
