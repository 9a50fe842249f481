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
/// decision log. The naive way sends every command in a round trip of its own, one database after the
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

    /// The modes, each with its transactions a second in each round.
    private func measure(_ servers: Servers) async throws -> [(name: String, rates: [Double])] {
        let naive = try await Naive.open(servers, connections: 12)
        // One connection for each transaction in flight is what a plain pool would grow to.
        let wide = try await Naive.open(servers, connections: max(12, inFlight))
        let logged = Library(servers, isLogged: true)
        let journal = Library(servers, isLogged: true, keepsJournal: true)
        let logless = Library(servers, isLogged: false)
        let modes: [(String, @Sendable (Int) async throws -> Void)] = [
            ("naive", { try await naive.run($0) }),
            ("naive, a connection each", { try await wide.run($0) }),
            ("library, with a log", { try await logged.run($0) }),
            ("library, with a journal", { try await journal.run($0) }),
            ("library, without a log", { try await logless.run($0) }),
        ]
        var rates = modes.map { _ in [Double]() }
        var next = 0
        for round in 1...rounds {
            for (index, mode) in modes.enumerated() {
                try await servers.settle()
                let load = Load(inFlight: inFlight, seconds: seconds, first: next)
                let count = try await load.run(mode.1)
                next = count.last
                rates[index].append(count.perSecond)
                FileHandle.standardError.write(
                    Data("round \(round): \(mode.0): \(Int(count.perSecond)) tx/s\n".utf8))
            }
        }
        try await servers.check(rows: next)
        await logged.close()
        await journal.close()
        await logless.close()
        await naive.close()
        await wide.close()
        return zip(modes, rates).map { ($0.0, $1) }
    }

    private func report(_ figures: [(name: String, rates: [Double])]) throws {
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        // Within a round, for what else the machine does falls on all modes of it; against the
        // better of the two naive ways.
        func ratio(_ mode: Int) -> Double {
            median(
                figures[mode].rates.indices.map { round in
                    figures[mode].rates[round]
                        / max(figures[0].rates[round], figures[1].rates[round])
                })
        }
        print("\(inFlight) in flight, two branches with one INSERT each, median of \(rounds):")
        for (name, rates) in figures {
            print("  \(name): \(Int(median(rates))) tx/s")
        }
        let (logged, journal) = (ratio(2), ratio(3))
        print("  with a log / the better naive way: \(String(format: "%.2f", logged))")
        print("  with a journal / the better naive way: \(String(format: "%.2f", journal))")
        if let output {
            let value: [String: Any] = [
                "inFlight": inFlight, "ratio": logged, "journalRatio": journal,
                "modes": Dictionary(uniqueKeysWithValues: figures.map { ($0.name, $0.rates) }),
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
