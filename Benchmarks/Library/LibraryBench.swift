import ArgumentParser
import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import TwoPhaseCommit

/// Measures the Swift library, a naive implementation on the same client, and a bare client in C that
/// sends the same commands, in one run on the same servers, and prints the ratios.
///
/// All insert the same rows into each of two databases. The library runs closures in parallel, on the
/// event loop as the naive implementation does and on the global executor, and statements without
/// closures. The naive implementation sends every command in a separate round trip, one database after
/// the other, without a log.
@main
struct LibraryBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "library-bench")

    @Option(help: "Rounds; in each, every mode is measured once.") var rounds = 3
    @Option(help: "Measured seconds of each mode in each round.") var seconds = 5
    @Option(help: "Transactions in flight.") var inFlight = 32
    @Option(
        parsing: .upToNextOption,
        help:
            "INSERTs in each of the two databases; several numbers are measured in turn."
    )
    var statements = [1, 10, 50]
    @Option(help: "Measure only the mode with this name, without ratios.")
    var only: String?
    @Option(help: "Write the figures as JSON to this file.") var output: String?

    func validate() throws {
        guard ([rounds, seconds, inFlight] + statements).allSatisfy({ $0 > 0 }) else {
            throw ValidationError("rounds, seconds, in flight and statements are at least 1")
        }
    }

    func run() async throws {
        let servers = try await Servers.start(inFlight: inFlight)
        do {
            var rows = Rows()
            var reports: [Report] = []
            for count in statements {
                let load = Load(inFlight: inFlight, seconds: seconds, statements: count)
                let report = Report(load, try await measure(load, on: servers, rows: &rows))
                print(report.text)
                reports.append(report)
            }
            await servers.stop()
            if let output { try Report.write(reports, to: output) }
        } catch {
            await servers.stop()
            throw error
        }
    }

    private func measure(
        _ load: Load, on servers: Servers, rows: inout Rows
    ) async throws -> [Figures] {
        let naive = try await Naive.open(servers, load, connections: 12)
        // One connection for each transaction in flight is what a plain pool would grow to.
        let wide = try await Naive.open(servers, load, connections: max(12, inFlight))
        let libraries = Library.all(servers, load)
        var modes = [
            Mode("naive", .naive, on: servers, load: load) { try await naive.run($0) },
            Mode("naive, a connection each", .naive, on: servers, load: load) {
                try await wide.run($0)
            },
        ]
        modes += libraries.map { library in
            Mode("library, \(library.name)", .library, on: servers, load: load) {
                try await library.run($0)
            }
        }
        modes += Bare(servers, load).modes
        if let only {
            modes = modes.filter { $0.name == only }
            guard !modes.isEmpty else { throw ValidationError("there is no mode \"\(only)\"") }
        }
        let figures = try await measure(modes, load, on: servers, rows: &rows)
        for library in libraries { await library.close() }
        await naive.close()
        await wide.close()
        return figures
    }

    private func measure(
        _ modes: [Mode], _ load: Load, on servers: Servers, rows: inout Rows
    ) async throws -> [Figures] {
        var figures = modes.map { Figures($0) }
        for round in 1...rounds {
            for (index, mode) in modes.enumerated() {
                try await servers.settle()
                let first = rows.next / load.statements + 1
                let sample = try await mode.measure(first)
                figures[index].add(sample)
                rows.count += sample.used * load.statements
                rows.next = load.ids(first + sample.used).upperBound
                FileHandle.standardError.write(
                    Data("round \(round): \(figures[index].lastRound)\n".utf8))
            }
        }
        try await servers.check(rows: rows.count)
        return figures
    }

    /// What was inserted by programs of this process.
    private struct Rows {
        var count = 0
        /// Above all ids that were used.
        var next = 0
    }
}
