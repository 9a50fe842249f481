import EventLoop
import Foundation
import Glibc
import PostgresClient
import PostgresClusters
import Testing

@testable import tandem

@Suite("A start that is hindered, or hinders others")
struct StartingTests {
    @Test("a signal ends a replica that is still starting")
    func signalled() async throws {
        try await withTestbed { testbed in
            await testbed.replica.stop()
            let other = try await Self.lockMigrations(testbed.sandbox.state.connectionString())
            let late = try await ChildReplica(
                command: ["serve", "--config", testbed.sandbox.configurationFile(of: 1)],
                port: testbed.client.port,
                log: nil, environment: [:])
            try await testbed.until("it waits for the lock") {
                try await testbed.value(
                    "state",
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
                    == "1"
            }
            late.process.send(SIGTERM)
            #expect(await late.process.exitStatus() == .exited(0))
            await other.close()
        }
    }

    /// A session that holds the lock under which the state database is migrated.
    @LoopActor
    private static func lockMigrations(_ conninfo: String) async throws -> PostgresConnection {
        let connection = try await PostgresConnection.connect(
            ConnectionOptions(conninfo: conninfo), timeout: .seconds(30), loop: .shared)
        _ = try await connection.query("SELECT pg_advisory_lock(7823645901)")
        return connection
    }

    @Test("a process that cannot listen leaves the name to the one that does")
    func portInUse() async throws {
        try await withTestbed { testbed in
            let epoch = "SELECT epoch FROM tandem.replicas WHERE name = 'replica-1'"
            let before = try await testbed.value("state", epoch)
            let second = try await ChildReplica(
                command: ["serve", "--config", testbed.sandbox.configurationFile(of: 1)],
                port: testbed.client.port,
                log: nil, environment: [:])
            #expect(await second.process.exitStatus() == .exited(1))
            #expect(try await testbed.value("state", epoch) == before)
            #expect(try await testbed.post(Testbed.pair("u1", "o1")).status == 201)
        }
    }

    @Test(
        "clients that hold every connection leave the databases' connections free",
        arguments: ["ulimit -n 220", "ulimit -S -n 100"])
    func descriptors(_ limit: String) async throws {
        try await withTestbed { testbed in
            await testbed.replica.stop()
            let replica = try await Self.start(limit, testbed)
            let port = testbed.client.port
            var crowd: [Wire] = []
            for _ in 0..<300 { crowd.append(try Wire(port: port)) }
            // One of those that were let in.
            let branches = Array(
                repeating: #"{"participant":"users","statements":[{"sql":"SELECT 1"}]}"#, count: 12)
            await crowd[0].send(
                Wire.post(
                    "{\"branches\":[\(branches.joined(separator: ","))]}", ["Connection: close"]))
            let answer = await crowd[0].readToEnd()
            #expect(answer?.hasPrefix("HTTP/1.1 201 ") == true, "\(answer?.prefix(400) ?? "none")")
            crowd = []
            replica.send(SIGTERM)
            _ = await replica.exitStatus()
        }
    }

    /// The first replica again, under a limit of its descriptors.
    private static func start(_ limit: String, _ testbed: Testbed) async throws -> ChildProcess {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = URL(fileURLWithPath: own).deletingLastPathComponent().path + "/tandem"
        let command = PostgresClusters.Command(
            "/bin/sh",
            [
                "-c", "\(limit); exec \"$0\" serve --config \"$1\"", program,
                testbed.sandbox.configurationFile(of: 1),
            ], environment: ProcessInfo.processInfo.environment)
        let process = try await ChildProcess.start(command.dyingWithParent(signal: "KILL"))
        try await testbed.until("it is ready") {
            let answer = try? await testbed.client.get("/v1/participants")
            return answer.map { $0.status == 200 && !$0.body.contains("\"connecting\"") } ?? false
        }
        return process
    }
}
