import CoordinatorAPI
import PostgresClusters
import Testing

@testable import tandem

@Suite("tandem bench")
struct BenchTests {
    private static func row(_ clients: Int, milliseconds: Int, count: Int) -> BenchRow {
        var row = BenchRow(clients: clients)
        row.latencies = Array(repeating: .milliseconds(milliseconds), count: count)
        row.elapsed = .seconds(1)
        return row
    }

    private static func server(prepared: Int = 100, connections: Int = 100) -> BenchServers.Facts {
        BenchServers.Facts(
            participant: "users", version: "15.1", preparedMax: prepared,
            connectionsMax: connections, connectionsUsed: 7, preparedUsed: 3, otherSessions: 5)
    }

    @Test("recommends the fewest sessions that reach nine tenths of the best")
    func recommended() {
        let rows = [
            Self.row(1, milliseconds: 2, count: 500), Self.row(8, milliseconds: 4, count: 1900),
            Self.row(16, milliseconds: 8, count: 2000), Self.row(32, milliseconds: 16, count: 2000),
        ]
        let report = BenchReport([Self.server()], rows, replicas: 2)
        #expect(report.poolSize == 8)
        #expect(
            report.needs(poolSize: 8) == [
                .init(
                    participant: "users", setting: "max_prepared_transactions", expected: 35,
                    found: 100),
                .init(
                    participant: "users", setting: "max_connections", expected: 33, found: 100),
            ])
        #expect(BenchReport([Self.server()], [BenchRow(clients: 1)], replicas: 1).poolSize == nil)
        let text = report.lines(on: Screen(moment: .now)).joined(separator: "\n")
        #expect(text.contains("Recommended: poolSize: 8 for each of these participants."))
        #expect(text.contains("ok   users: max_prepared_transactions of at least 35, got 100"))
        let narrow = BenchReport([Self.server(prepared: 10)], rows, replicas: 2)
            .lines(on: Screen(moment: .now)).joined(separator: "\n")
        #expect(narrow.contains("FAIL users: max_prepared_transactions of at least 35, got 10"))
        let open = BenchReport([Self.server()], Array(rows.prefix(2)), replicas: 2)
            .lines(on: Screen(moment: .now)).joined(separator: "\n")
        #expect(open.contains("measure with larger --clients"))
    }

    @Test("gives the time of the slowest of so many in a hundred")
    func percentiles() {
        var row = BenchRow(clients: 1)
        #expect(row.latency(percentile: 50) == nil)
        row.latencies = (1...200).reversed().map { .milliseconds($0) }
        #expect(row.latency(percentile: 50) == 100)
        #expect(row.latency(percentile: 99) == 198)
        row.latencies = [.microseconds(1500)]
        #expect(row.latency(percentile: 50) == 1.5)
    }

    @Test("measures on the configured servers, and leaves no table and nothing prepared")
    func measured() async throws {
        try await withTestbed { testbed in
            try await testbed.untilAvailable()
            let result = try await testbed.sandbox.runProgram([
                "bench", "--time", "1ms", "--clients", "1,3", "--replicas", "1", "--json",
            ])
            #expect(result.status == .exited(0), "\(result.output) \(result.errors)")
            let report = try JSONReader.read(Array(result.output.utf8))
            let measured = report["measurements"]?.elements ?? []
            #expect(measured.map { $0["atOnce"]?.integer } == [1, 3])
            for row in measured {
                #expect(row["aborted"]?.integer == 0)
                #expect(row["p50Milliseconds"] != .null)
            }
            #expect([1, 3].contains(report["recommendedPoolSize"]?.integer))
            #expect(report["needs"]?.elements.count == 4)
            for name in Sandbox.participantNames {
                let leftovers = try await testbed.value(
                    name,
                    "SELECT (SELECT count(*) FROM pg_class WHERE relname = 'tandem_bench') "
                        + "+ (SELECT count(*) FROM pg_prepared_xacts)")
                #expect(leftovers == "0")
            }
            let rows = try await testbed.value(
                "state",
                "SELECT count(*) >= 8 AND bool_and(state = 'committed' AND cardinality(participants) = 2) "
                    + "FROM tandem.transactions WHERE owner = 'tandem-bench'")
            #expect(rows == "t")
        }
    }

    @Test("refuses a table that it did not create, and says what to do")
    func tableExists() async throws {
        try await withTestbed { testbed in
            try await testbed.untilAvailable()
            try await testbed.asStranger("orders", ["CREATE TABLE tandem_bench (theirs text)"])
            let result = try await testbed.sandbox.runProgram(["bench", "--time", "1ms"])
            #expect(result.exits(.refused))
            #expect(result.errors.contains("Participant orders: "), "\(result.errors)")
            #expect(result.errors.contains("DROP TABLE tandem_bench;"))
            let tables = "SELECT count(*) FROM pg_class WHERE relname = 'tandem_bench'"
            #expect(try await testbed.value("users", tables) == "0")
            #expect(try await testbed.value("orders", tables) == "1")
        }
    }

    @Test(
        "names what is wrong with its arguments",
        arguments: [
            (["--participants", "nobody"], "Expected names of participants in the configuration"),
            (["--clients", "0"], "--clients"), (["--clients", "1,,2"], "--clients"),
            (["--replicas", "0"], "Expected --replicas from 1 to 100, got 0."),
            (["--participants", "users,users"], "--participants"),
        ])
    func badArguments(_ arguments: [String], _ message: String) async throws {
        let result = try await Program.run(
            ["bench"] + arguments,
            environment: [
                "TANDEM_STATE_CONNINFO": "host=127.0.0.1 user=nobody dbname=nothing",
                "TANDEM_PARTICIPANTS_USERS_CONNINFO": "host=127.0.0.1 user=nobody dbname=nothing",
            ])
        #expect(result.exits(.usage), "\(result.errors)")
        #expect(result.errors.contains(message), "\(result.errors)")
    }
}
