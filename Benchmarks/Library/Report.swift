import Foundation

/// The figures of all modes for one size of work, compared with the targets.
struct Report {
    /// The target ratios to the naive throughput.
    private static let targets = [Library.Log.kept: 1.3, .journal: 2.0]

    private let load: Load
    private let figures: [Figures]
    /// The ratios to the better naive mode; empty if none was measured.
    private let ratios: [String: Double]

    init(_ load: Load, _ figures: [Figures]) {
        self.load = load
        self.figures = figures
        let naive = figures.filter { $0.kind == .naive }
        ratios =
            naive.isEmpty
            ? [:] : Dictionary(uniqueKeysWithValues: figures.map { ($0.name, $0.ratio(to: naive)) })
    }

    var text: String {
        let head =
            "\(load.inFlight) in flight, two branches, INSERTs in each: \(load.statements); medians:"
        let tails = figures.filter { $0.kind != .naive }.compactMap { mode in
            ratios[mode.name].map {
                "  \(mode.name) / better naive mode: \(String(format: "%.2f", $0))"
            }
        }
        return ([head] + figures.map { "  \($0.summary)" } + tails + verdicts)
            .joined(separator: "\n")
    }

    private var verdicts: [String] {
        Self.targets.sorted { $0.value < $1.value }.flatMap { log, target in
            [Library.Way.closures, .statements].compactMap { way in
                let name = "library, \(Library.name(log, way))"
                guard let ratio = ratios[name] else { return nil }
                return "  \(name), at least \(target): \(String(format: "%.2f", ratio)), "
                    + (ratio >= target ? "met" : "missed")
            }
        }
    }

    static func write(_ reports: [Report], to path: String) throws {
        try JSONSerialization.data(
            withJSONObject: reports.map { $0.json }, options: [.prettyPrinted, .sortedKeys]
        ).write(to: URL(fileURLWithPath: path))
    }

    private var json: [String: Any] {
        func byName(_ values: (Figures) -> [Double]) -> [String: [Double]] {
            Dictionary(uniqueKeysWithValues: figures.map { ($0.name, values($0)) })
        }
        return [
            "inFlight": load.inFlight, "statements": load.statements, "ratios": ratios,
            "modes": byName { $0.rates },
            "programCPUMicroseconds": byName { $0.programCosts },
            "serversCPUMicroseconds": byName { $0.serverCosts },
        ]
    }
}
