import CoordinatorAPI
import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import PostgresTransactions
import Testing

@testable import tandem

@Suite("tandem check")
struct CheckTests {
    @Test("a server that is well, and one that cannot do its part: each says what to do")
    func wellAndNot() async throws {
        try await PostgresCluster.withTemporary(
            name: "well", settings: ["max_prepared_transactions": "2"]
        ) { well in
            let healthy = try await examine(well)
            #expect(healthy.verdict != .failing)
            #expect(healthy.summary?.contains("0 of 2 slots") == true)
            #expect(verdict("trial", healthy) == .ok)
            #expect(verdict("session", healthy) == .ok)
            #expect(verdict("role", healthy) == .warning, "postgres is a superuser")
            #expect(try await well.psql("SELECT count(*) FROM pg_prepared_xacts") == "0")
            _ = try await well.psql(
                "CREATE ROLE plain LOGIN; BEGIN; CREATE TABLE a (); PREPARE TRANSACTION 'one'; "
                    + "BEGIN; CREATE TABLE b (); PREPARE TRANSACTION 'two'")
            let full = try await examine(well, user: "plain")
            #expect(verdict("preparedTransactions", full) == .failing)
            #expect(verdict("role", full) == .ok)
            #expect(verdict("trial", full) == nil, "there is no slot to try with")
            _ = try await well.psql(
                "ROLLBACK PREPARED 'one'; ROLLBACK PREPARED 'two'; "
                    + "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; "
                    + "ALTER ROLE plain SET synchronous_commit = off")
            let poor = try await examine(well, user: "plain")
            #expect(verdict("rights", poor) == .failing)
            #expect(detail("rights", poor).contains("pg_control_system"))
            #expect(verdict("synchronousCommit", poor) == .warning)
        }
    }

    @Test("prepared transactions off and fsync off are faults; fsync may be excused")
    func disabled() async throws {
        try await PostgresCluster.withTemporary(
            name: "off", settings: ["max_prepared_transactions": "0", "fsync": "off"]
        ) { cluster in
            let strict = try await examine(cluster)
            #expect(verdict("preparedTransactions", strict) == .failing)
            #expect(verdict("fsync", strict) == .failing)
            let asState = await Diagnostics.examine(
                try ConnectionOptions(conninfo: cluster.connectionString()), as: .state,
                allowsFsyncOff: true, timeout: .seconds(300), loop: .shared)
            #expect(asState.verdict == .warning)
            #expect(verdict("preparedTransactions", asState) == nil)
        }
    }

    /// A text that it refuses would never be recorded, nor what is flushed beside it.
    @Test("a state database that cannot hold every text is a fault, and is not used")
    func encoding() async throws {
        try await PostgresCluster.withTemporary(name: "encodings") { cluster in
            for (encoding, isFit) in [("LATIN1", false), ("SQL_ASCII", true), ("UTF8", true)] {
                let name = encoding.lowercased()
                _ = try await cluster.psql(
                    "CREATE DATABASE \(name) TEMPLATE template0 ENCODING '\(encoding)' "
                        + "LC_COLLATE 'C' LC_CTYPE 'C'")
                let options = try ConnectionOptions(
                    conninfo: cluster.connectionString(), overriding: ["dbname": name])
                let diagnosis = await Diagnostics.examine(
                    options, as: .state, allowsFsyncOff: true, timeout: .seconds(300), loop: .shared
                )
                #expect(verdict("encoding", diagnosis) == (isFit ? .ok : .failing))
                #expect(diagnosis.verdict == .failing || isFit)
                var state = StateOptions(connection: options, replica: "one")
                state.allowsFsyncOff = true
                state.timeout = .seconds(30)
                let refusal = await Self.refusal(of: state)
                #expect((refusal == nil) == isFit)
                #expect(refusal?.contains("LATIN1") != false)
            }
        }
    }

    @LoopActor
    private static func refusal(of options: StateOptions) async -> String? {
        do {
            try await StateDatabase.connect(options, loop: .shared).close()
            return nil
        } catch {
            return "\(error)"
        }
    }

    @Test("a pooler that lends sessions for one transaction is found; nobody there is a fault")
    func pooler() async throws {
        try await PostgresCluster.withTemporary(name: "pooled") { cluster in
            let pooler = try TransactionPooler(server: cluster.port)
            defer { pooler.stop() }
            let options = try ConnectionOptions(
                conninfo: cluster.connectionString(),
                overriding: ["port": "\(pooler.port)", "sslmode": "disable"])
            let diagnosis = await Diagnostics.examine(
                options, as: .participant, allowsFsyncOff: true, timeout: .seconds(300),
                loop: .shared)
            #expect(verdict("reachable", diagnosis) == .ok)
            #expect(verdict("session", diagnosis) == .failing)
            #expect(detail("session", diagnosis).contains("pool"))
            #expect(try await cluster.psql("SELECT count(*) FROM pg_prepared_xacts") == "0")
        }
        let nobody = await Diagnostics.examine(
            try ConnectionOptions(conninfo: "host=127.0.0.1 port=1 user=x dbname=x"),
            as: .participant, allowsFsyncOff: true, timeout: .seconds(300), loop: .shared)
        #expect(nobody.checks.map(\.name) == ["reachable"] && nobody.verdict == .failing)
    }

    @Test("the command: a line each, JSON for programs, and an exit status for scripts")
    func command() async throws {
        try await withTestbed { testbed in
            let lines = try await testbed.sandbox.runProgram(["check"])
            #expect(lines.status == .exited(0))
            #expect(lines.output.contains("ok   state: PostgreSQL"))
            #expect(lines.output.contains("ok   participant users: PostgreSQL"))
            let json = try await testbed.sandbox.runProgram(["check", "--json"])
            let report = try JSONReader.read(Array(json.output.utf8.dropLast()))
            #expect(report["status"]?.string == "ok")
            #expect(report["databases"]?[0]?["purpose"]?.string == "state")
            // A replica's sessions are refused there; tandem check says why.
            try await testbed.cluster("orders").becomeStandby()
            let standby = try await testbed.sandbox.runProgram(["check"])
            #expect(standby.status == .exited(1))
            #expect(
                standby.output.contains("- It is a standby; give the primary's address."),
                "\(standby.output)")
            try await testbed.asStranger(
                "users", ["ALTER DATABASE postgres SET default_transaction_read_only = on"])
            // A default that our sessions do without.
            let readOnly = try await testbed.sandbox.runProgram(["check"])
            #expect(readOnly.output.contains("ok   participant users"), "\(readOnly.output)")
            try await testbed.asStranger(
                "users",
                [
                    "SET default_transaction_read_only = off",
                    "ALTER DATABASE postgres RESET default_transaction_read_only",
                ])
            try await testbed.cluster("orders").stop(.immediate)
            let broken = try await testbed.sandbox.runProgram(["check"])
            #expect(broken.status == .exited(1))
            #expect(broken.output.contains("FAIL participant orders: not examined"))
            #expect(broken.output.contains("ok   participant users"))
            let brokenJSON = try await testbed.sandbox.runProgram(["check", "--json"])
            #expect(brokenJSON.status == .exited(1))
            #expect(brokenJSON.output.contains(#""status":"failing""#))
        }
    }

    private func examine(
        _ cluster: PostgresCluster, user: String = "postgres"
    ) async throws -> Diagnosis {
        await Diagnostics.examine(
            try ConnectionOptions(conninfo: cluster.connectionString(user: user)),
            as: .participant, allowsFsyncOff: false, timeout: .seconds(300), loop: .shared)
    }

    private func verdict(_ name: String, _ diagnosis: Diagnosis) -> Diagnosis.Verdict? {
        diagnosis.checks.first { $0.name == name }?.verdict
    }

    private func detail(_ name: String, _ diagnosis: Diagnosis) -> String {
        diagnosis.checks.first { $0.name == name }?.detail ?? ""
    }
}

extension Sandbox {
    /// Runs the program once with the first replica's configuration.
    func runProgram(
        _ arguments: [String], environment: [String: String] = [:]
    ) async throws -> CommandOutput {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let program = URL(fileURLWithPath: own).deletingLastPathComponent().path + "/tandem"
        return try await PostgresClusters.Command(
            program, arguments + ["--config", configurationFile(of: 1)],
            environment: environment.merging(ProcessInfo.processInfo.environment) { own, _ in own }
        ).run()
    }
}
