import ArgumentParser
import EventLoop
import Foundation
import PostgresClient
import PostgresClusters
import TwoPhaseCommit

/// Measures the Swift library beside the naive way on the same client, in one run on the same
/// servers, and prints the ratio.
///
/// Both insert a row into each of two databases. The library works from closures, in parallel, with a
/// decision log; on the event loop, as the naive way does, and on the global executor. The naive way sends every command in a round trip of its own, one database after the
/// other, and keeps no log.
@main
struct LibraryBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "library-bench")

    @Option(help: "Rounds; in each, every mode is measured once.") var rounds = 3
    @Option(help: "Measured seconds of each mode in each round.") var seconds = 5
    @Option(help: "Transactions in flight.") var inFlight = 32
    @Option(help: "Write the figures as JSON to this file.") var output: String?
    @Option(help: "Exit with 1 if the library with a log is not so many times the naive way.")
    var atLeast: Double?

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
        let naive = try await Naive.open(servers, connections: 12)
        // One connection for each transaction in flight is what a plain pool would grow to.
        let wide = try await Naive.open(servers, connections: max(12, inFlight))
        let libraries = Library.all(servers)
        let ways: [@Sendable (Int) async throws -> Void] =
            [{ try await naive.run($0) }, { try await wide.run($0) }]
            + libraries.map { library in { try await library.run($0) } }
        var figures =
            ["naive", "naive, a connection each"].map { Figures(name: $0) }
            + libraries.map { Figures(name: "library, \($0.name)") }
        var next = 0
        for round in 1...rounds {
            for (index, way) in ways.enumerated() {
                try await servers.settle()
                let load = Load(inFlight: inFlight, seconds: seconds, first: next)
                let before = await ProcessorTime.now(servers)
                let count = try await load.run(way)
                let spent = await ProcessorTime.now(servers) - before
                figures[index].add(count.perSecond, spent, transactions: count.last - next)
                next = count.last
                FileHandle.standardError.write(
                    Data("round \(round): \(figures[index].lastRound)\n".utf8))
            }
        }
        try await servers.check(rows: next)
        for library in libraries { await library.close() }
        await naive.close()
        await wide.close()
        return figures
    }

    private func report(_ figures: [Figures]) throws {
        // Within a round, for what else the machine does falls on all modes of it; against the
        // better of the two naive ways.
        func ratio(_ mode: Int) -> Double {
            Figures.median(
                figures[mode].rates.indices.map { round in
                    figures[mode].rates[round]
                        / max(figures[0].rates[round], figures[1].rates[round])
                })
        }
        print("\(inFlight) in flight, two branches with one INSERT each, median of \(rounds):")
        for mode in figures { print("  \(mode.summary)") }
        let (logged, journal) = (ratio(2), ratio(3))
        for mode in figures.indices.dropFirst(2) {
            print(
                "  \(figures[mode].name) / the better naive way: "
                    + String(format: "%.2f", ratio(mode)))
        }
        if let output {
            func byName(_ values: (Figures) -> [Double]) -> [String: [Double]] {
                Dictionary(uniqueKeysWithValues: figures.map { ($0.name, values($0)) })
            }
            let value: [String: Any] = [
                "inFlight": inFlight, "ratio": logged, "journalRatio": journal,
                "modes": byName { $0.rates },
                "programCPUMicroseconds": byName { $0.programCosts },
                "serversCPUMicroseconds": byName { $0.serverCosts },
            ]
            try JSONSerialization.data(
                withJSONObject: value, options: [.prettyPrinted, .sortedKeys]
            ).write(to: URL(fileURLWithPath: output))
        }
        if let atLeast, logged < atLeast {
            print("  which is below \(atLeast)")
            throw ExitCode(1)
        }
    }
}
