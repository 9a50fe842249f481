import Foundation
import PostgresClusters

/// The bare client in C (Benchmarks/Limit) on separate databases of the same servers: the lower bound
/// for these records and commands.
///
/// `closures` and `llrclosures` send no more than the library does for closures, in no more round trips
/// (a journal's branch needs one less, and begins when the others are prepared), and wait for fewer
/// flushes; `guarded` does so for statements. `full` and `llrfull` neither clean their sessions nor
/// record evidence. None of them has tasks, closures or values, or uses libpq.
struct Bare: Sendable {
    static let database = "bare"

    private let servers: Servers
    private let load: Load
    private let program: String

    init(_ servers: Servers, _ load: Load) {
        self.servers = servers
        self.load = load
        // Built into the same folder as this program.
        program =
            URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("limit").path
    }

    var modes: [Mode] {
        ["closures", "llrclosures", "guarded", "full", "llrfull"].map { mode in
            Mode(name: "bare \(mode)", kind: .bare) { _ in try await measure(mode) }
        }
    }

    private func measure(_ mode: String) async throws -> Sample {
        let clusters = [
            ("state", servers.state), ("users", servers.users), ("orders", servers.orders),
        ]
        var arguments = ["--mode", mode, "--in-flight", "\(load.inFlight)"]
        arguments += ["--statements", "\(load.statements)"]
        arguments += ["--seconds", "\(load.seconds)", "--database", Self.database]
        var postmasters: [String] = []
        for (name, cluster) in clusters {
            arguments += ["--\(name)", "127.0.0.1:\(cluster.port)"]
            postmasters.append("\(await cluster.processID)")
        }
        arguments += ["--postmasters", postmasters.joined(separator: ",")]
        let ran = try await Command(program, arguments).run()
        guard ran.succeeded else {
            throw ClusterError.programFailed(program: "limit", output: ran.errors + ran.output)
        }
        let report = try JSONDecoder().decode(Report.self, from: Data(ran.output.utf8))
        return Sample(
            rate: report.transactionsPerSecond, programCost: report.clientCPUMicroseconds,
            serverCost: report.postgresCPUMicroseconds, used: 0)
    }

    private struct Report: Decodable {
        let transactionsPerSecond: Double
        let clientCPUMicroseconds: Double
        let postgresCPUMicroseconds: Double
    }
}
