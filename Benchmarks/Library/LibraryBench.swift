import ArgumentParser
import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import TwoPhaseCommit

/// Measures the Swift library beside the naive way on the same client, and beside a bare client in C
/// that sends what the library sends, in one run on the same servers, and prints the ratios.
///
/// All insert the same rows into each of two databases. The library works from closures, in parallel, with
/// a decision log; on the event loop, as the naive way does, and on the global executor; and from
/// statements that are known beforehand. The naive way sends every command in a round trip of its own,
/// one database after the other, and keeps no log.
@main
struct LibraryBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "library-bench")

    @Option(help: "Rounds; in each, every mode is measured once.") var rounds = 3
    @Option(help: "Measured seconds of each mode in each round.") var seconds = 5
    @Option(help: "Transactions in flight.") var inFlight = 32
    @Option(help: "INSERTs in each of the two databases.") var statements = 1
    @Option(help: "Measure one mode alone, by its name; there are no ratios then.")
    var only: String?
    @Option(help: "Write the figures as JSON to this file.") var output: String?
    @Option(help: "Exit with 1 if the library with a log is not so many times the naive way.")
    var atLeast: Double?

    func validate() throws {
        guard rounds > 0, seconds > 0, inFlight > 0, statements > 0 else {
            throw ValidationError("rounds, seconds, in flight and statements are at least 1")
        }
    }

    func run() async throws {
        let servers = try await Servers.start()
        do {
            let figures = try await measure(servers)
            await servers.stop()
            try report(figures)
        } catch {
            await servers.stop()
            throw error
        }
    }

    private func measure(_ servers: Servers) async throws -> [Figures] {
        let load = Load(inFlight: inFlight, seconds: seconds, statements: statements)
        let naive = try await Naive.open(servers, load, connections: 12)
        // One connection for each transaction in flight is what a plain pool would grow to.
        let wide = try await Naive.open(servers, load, connections: max(12, inFlight))
        let libraries = Library.all(servers, load)
        var modes = [
            Mode("naive", .naive, servers, load) { try await naive.run($0) },
            Mode("naive, a connection each", .naive, servers, load) { try await wide.run($0) },
        ]
        modes += libraries.map { library in
            Mode("library, \(library.name)", .library, servers, load) {
                try await library.run($0)
            }
        }
        modes += Bare(servers, load).modes
        if let only {
            modes = modes.filter { $0.name == only }
            guard !modes.isEmpty else { throw ValidationError("there is no mode \"\(only)\"") }
        }
        let figures = try await measure(modes, servers)
        for library in libraries { await library.close() }
        await naive.close()
        await wide.close()
        return figures
    }

    private func measure(_ modes: [Mode], _ servers: Servers) async throws -> [Figures] {
        var figures = modes.map { Figures($0) }
        var used = 0
        for round in 1...rounds {
            for (index, mode) in modes.enumerated() {
                try await servers.settle()
                let sample = try await mode.measure(used)
                figures[index].add(sample)
                used += sample.used
                FileHandle.standardError.write(
                    Data("round \(round): \(figures[index].lastRound)\n".utf8))
            }
        }
        try await servers.check(rows: used * statements)
        return figures
    }

    private func report(_ figures: [Figures]) throws {
        print(
            "\(inFlight) in flight, two branches, INSERTs in each: \(statements); "
                + "medians of \(rounds) rounds:")
        for mode in figures { print("  \(mode.summary)") }
        let naive = figures.filter { $0.kind == .naive }
        let ratios = Dictionary(
            uniqueKeysWithValues: naive.isEmpty
                ? [] : figures.map { ($0.name, $0.ratio(to: naive)) })
        for mode in figures where mode.kind != .naive {
            guard let ratio = ratios[mode.name] else { continue }
            print(
                "  \(mode.name) / the better naive way: " + String(format: "%.2f", ratio))
        }
        if let output { try write(figures, ratios, to: output) }
        if let atLeast, let logged = ratios["library, with a log, closures on the loop"], logged < atLeast {
            print("  which is below \(atLeast)")
            throw ExitCode(1)
        }
    }

    private func write(
        _ figures: [Figures], _ ratios: [String: Double], to path: String
    ) throws {
        func byName(_ values: (Figures) -> [Double]) -> [String: [Double]] {
            Dictionary(uniqueKeysWithValues: figures.map { ($0.name, values($0)) })
        }
        let value: [String: Any] = [
            "inFlight": inFlight, "statements": statements, "ratios": ratios,
            "modes": byName { $0.rates },
            "programCPUMicroseconds": byName { $0.programCosts },
            "serversCPUMicroseconds": byName { $0.serverCosts },
        ]
        try JSONSerialization.data(
            withJSONObject: value, options: [.prettyPrinted, .sortedKeys]
        ).write(to: URL(fileURLWithPath: path))
    }
}
